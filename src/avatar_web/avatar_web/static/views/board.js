// SPDX-License-Identifier: Apache-2.0
// The driving field: one set of pads (or the stick) for five ways of using it.

import { number, t } from '../i18n.js';
import { ClickClick } from '../inputs/clickclick.js';
import { Hover } from '../inputs/hover.js';
import { NUDGE_LIMIT, Nudge, nudgeMs } from '../inputs/nudge.js';
import { Pads } from '../inputs/pads.js';
import { Stick } from '../inputs/stick.js';
import { METHODS } from '../settings.js';
import { $, icon, make, say, show } from './dom.js';

/** How often inputs that end by themselves are looked at. */
const TICK_MS = 25;
/** Less turning than this share of going straight is steering trim, not a turn. */
const ECHO_TURN = 0.25;

/** @type {Record<string, {name: string, hint: string}>} */
const TEXT = {
  pads: { name: 'method.pads', hint: 'method.pads_hint' },
  stick: { name: 'method.stick', hint: 'method.stick_hint' },
  gaze: { name: 'method.gaze', hint: 'method.gaze_hint' },
  nudge: { name: 'method.nudge', hint: 'method.nudge_hint' },
  click: { name: 'method.click', hint: 'method.click_hint' },
};
/** @type {Record<string, string>} */
const PAD_TEXT = {
  forward_left: 'pad.forward_left', forward: 'pad.forward', forward_right: 'pad.forward_right',
  left: 'pad.left', middle: '', right: 'pad.right',
  back_left: 'pad.back_left', back: 'pad.back', back_right: 'pad.back_right',
};

export class BoardView {
  #pilot;
  #settings;
  #mayStart;
  #limits = { maxSpeedMps: 0, maxTurnRadps: 0 };
  /** @type {Map<string, HTMLElement>} */
  #pads = new Map();
  #hover;
  #nudge;
  #click;
  #hold;
  /** @type {ReturnType<typeof setInterval> | null} */
  #timer = null;
  /** the eye tracker stood still while it drove */
  trackerLost = false;

  /**
   * @param {import('../pilot.js').Pilot} pilot
   * @param {import('../settings.js').Settings} settings
   * @param {{mayStart: () => boolean, spend: () => void}} on `mayStart`: would the robot drive now?
   */
  constructor(pilot, settings, { mayStart, spend }) {
    this.#pilot = pilot;
    this.#settings = settings;
    this.#mayStart = mayStart;
    const lost = () => pilot.interlock();
    this.#hold = new Pads((wish) => this.#wish('pads', wish), lost);
    this.#hover = new Hover((wish) => this.#wish('gaze', wish));
    this.#nudge = new Nudge((wish) => this.#wish('nudge', wish));
    this.#click = new ClickClick((wish) => this.#wish('click', wish));
    const stick = new Stick((wish) => pilot.wish('stick', wish), lost);
    this.#build();
    this.#hold.listen($('board'), () => this.#method === 'pads');
    stick.listen($('stick'), $('knob'));
    this.#click.listen(window, '#stop');
    pilot.onInterlock(() => {
      this.#hover.stop();
      this.#nudge.stop();
      this.#click.stop();
      spend();
    });
  }

  /** @returns {string} */
  get #method() {
    return this.#settings.get('method');
  }

  /** Do the pads of the chosen way answer to looking? @param {boolean} dwellOn */
  padsDwell(dwellOn) {
    // Click-click is not for looking: it would drive on while nobody looks at the pad.
    return this.#method === 'gaze' || (dwellOn && this.#method === 'nudge');
  }

  #build() {
    $('methods').append(...METHODS.map((method) => make('button', {
      type: 'button', 'data-method': method,
      onclick: () => this.#settings.set('method', method),
    }, icon(method), make('span', { 'data-text': TEXT[method].name, text: t(TEXT[method].name) }))));
    for (const [name, key] of Object.entries(PAD_TEXT)) {
      const middle = name === 'middle';
      const pad = middle ? make('div', { class: 'middle' }) : make('button', {
        type: 'button', class: 'pad', 'data-pad': name, 'data-label': key,
        onclick: () => this.#clicked(name),
      }, icon(name === 'left' || name === 'right' ? 'turn' : 'arrow'));
      if (!middle) this.#pads.set(name, pad);
      $('board').append(pad);
    }
  }

  /** @param {string} source @param {import('../inputs/directions.js').Wish | null} wish */
  #wish(source, wish) {
    this.#pilot.wish(source, wish);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    this.render();
  }

  /** @param {string} pad */
  #clicked(pad) {
    if (!this.#mayStart()) return;
    const now = performance.now();
    if (this.#method === 'click') this.#click.start(pad, now);
    if (this.#method !== 'nudge') return;
    const size = { stepM: this.#settings.get('stepCm') / 100, stepDeg: this.#settings.get('stepDeg') };
    const share = Math.min(NUDGE_LIMIT, this.#settings.get('speed') / 100);
    this.#nudge.start(pad, nudgeMs(pad, size, this.#limits, share), now);
  }

  /** A button was looked at long enough. @param {HTMLElement} element */
  lookedAt(element) {
    const pad = element.dataset.pad;
    if (!pad || this.#method !== 'gaze') {
      element.click();
      return;
    }
    this.trackerLost = false;
    if (!this.#mayStart()) return;
    this.#hover.limit = this.#settings.get('gazeSpeed') / 100;
    this.#hover.stillMs = this.#settings.get('gazeStillS') * 1000;
    this.#hover.start(pad, performance.now());
  }

  lookedAway() {
    this.#hover.stop();
  }

  pointerMoved() {
    this.#hover.moved(performance.now());
    this.trackerLost = false;
  }

  #tick() {
    const now = performance.now();
    this.#nudge.step(now);
    this.#click.maxMs = this.#settings.get('clickS') * 1000;
    this.#click.step(now);
    if (this.#hover.step(now)) this.trackerLost = true;
    const running = this.#nudge.pad ?? this.#click.pad;
    const progress = this.#nudge.pad ? this.#nudge.progress(now) : this.#click.progress(now);
    if (running) this.#pads.get(running)?.style.setProperty('--run', progress.toFixed(3));
    if (!running && !this.#hover.pad && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  /** Another way of driving was chosen: nothing of the old one goes on. */
  changedMethod() {
    for (const input of [this.#hover, this.#nudge, this.#click]) input.stop();
    this.#hold.clear();
    this.render();
  }

  /** @param {{maxSpeedMps: number, maxTurnRadps: number}} limits */
  setLimits(limits) {
    this.#limits = limits;
  }

  /** The pad that shows which way it goes, whatever input asked for it. @returns {string} */
  #echo() {
    const twist = this.#pilot.moving;
    if (!twist) return '';
    const x = twist.linear.x / this.#limits.maxSpeedMps;
    const z = twist.angular.z / this.#limits.maxTurnRadps;
    const turn = Math.abs(z) > ECHO_TURN * Math.abs(x) ? z * (x < 0 ? -1 : 1) : 0;
    const along = x > 0 ? 'forward' : x < 0 ? 'back' : '';
    const across = turn > 0 ? 'left' : turn < 0 ? 'right' : '';
    return [along, across].filter(Boolean).join('_');
  }

  render() {
    const method = this.#method;
    const echo = this.#echo();
    const running = new Set([
      ...this.#hold.held, this.#hover.pad, this.#nudge.pad, this.#click.pad,
    ]);
    $('controls').dataset.using = method;
    show($('board'), method !== 'stick');
    show($('stick'), method === 'stick');
    say($('method-hint'), t(TEXT[method].hint));
    for (const button of $('methods').children) {
      button.setAttribute('aria-pressed', String(button.dataset.method === method));
    }
    for (const [name, pad] of this.#pads) {
      pad.classList.toggle('on', running.has(name));
      pad.classList.toggle('echo', name === echo);
      const auto = name === this.#nudge.pad || name === this.#click.pad;
      if (!auto) pad.style.removeProperty('--run');
      pad.setAttribute('aria-label', t(PAD_TEXT[name]));
      pad.setAttribute('aria-pressed', String(running.has(name)));
    }
    const middle = /** @type {HTMLElement} */ ($('board').querySelector('.middle'));
    const speed = Math.abs(this.#pilot.moving?.linear.x ?? 0);
    say(middle, this.#click.pad ? t('pad.click_stops')
      : speed ? t('speed.value', { speed: number(speed, 2) }) : '');
  }
}
