// SPDX-License-Identifier: Apache-2.0
// The robot's picture on the page: plays it, knows how old it is, says so, and tells driving.

import { api, apiText } from '../api.js';
import { t } from '../i18n.js';
import { valuesOf } from '../state.js';
import { ask } from '../views/ask.js';
import { $, show } from '../views/dom.js';
import { STATE_SILENT_MS } from './age.js';
import { Capture } from './capture.js';
import { RobotClock } from './clock.js';
import { Hud } from './hud.js';
import { lock, look } from './lock.js';
import { Player, sampleOf } from './player.js';
import { ProfileChooser } from './profile.js';
import { writeNumbers } from './tab.js';

/** The age is judged this often. */
const TICK_MS = 100;
/** What is shown in words changes this often at most. */
const SHOWN_TICKS = 5;
/** The robot is told the age this often. */
const REPORT_MS = 1000;

/** @typedef {{max_age_s: number, profiles: string[], fps: number[]}} About what the session says */
/** @typedef {Record<string, string>} StreamState the values of camera/stream_state */

export class Picture {
  #maxAgeMs;
  #settings;
  #connection;
  #may;
  #on;
  #clock = new RobotClock();
  #player;
  #hud;
  #capture;
  #chooser;
  /** @type {StreamState | null} */
  #stream = null;
  #blind = false;
  #ticks = 0;
  #judged = '';
  #openedMs = performance.now();

  /**
   * @param {About} about
   * @param {import('../settings.js').Settings} settings
   * @param {import('../connection.js').Connection} connection
   * @param {{driver: () => boolean, lease: () => {mine: boolean, holder: string | null}}} may
   *     `driver`: does the role allow it?
   * @param {{changed: () => void, tab: () => void, open: (tab: string) => void,
   *     notice: (text: string) => void}} on `changed`: driving may be judged otherwise now;
   *     `tab`: what the sheet shows of the picture changed; `open`: show it there
   */
  constructor(about, settings, connection, may, on) {
    this.#maxAgeMs = about.max_age_s * 1000;
    this.#settings = settings;
    this.#connection = connection;
    this.#may = may;
    this.#on = on;
    this.#player = new Player($('picture'), this.#clock, {
      changed: () => this.#tick(true),
      sample: (flow) => this.#sampled(flow),
    });
    this.#hud = new Hud();
    this.#capture = new Capture(settings, on.notice);
    this.#chooser = new ProfileChooser(settings, (choice) => this.#send(choice));
    connection.on('round_trip', ({ sentMs, clockMs }) => {
      if (typeof clockMs === 'number') this.#clock.heard(sentMs, performance.now(), clockMs);
    });
    connection.on('up', () => this.#player.hurry());
    connection.subscribe('camera/stream_state', {
      type: 'diagnostic_msgs/msg/DiagnosticStatus',
    }, (status) => this.#heard(valuesOf(status)));
    $('blind-toggle').addEventListener('click', () => this.toggleBlind());
    $('picture-open').addEventListener('click', () => on.open('picture'));
    show($('picture-tools'), true);
  }

  open() {
    this.#player.open();
    setInterval(() => this.#tick(false), TICK_MS);
    setInterval(() => this.#report(), REPORT_MS);
  }

  /** What driving has to know. @returns {import('./lock.js').Lock} */
  get lock() {
    return lock(this.#player.age.at(performance.now()), this.#maxAgeMs, this.#blind);
  }

  get blind() {
    return this.#blind;
  }

  get capture() {
    return this.#capture;
  }

  /** The link to the robot is gone: what it said holds no more. */
  lost() {
    this.#stream = null;
    this.#player.age.heardState({}, performance.now());
    this.#tick(true);
  }

  /** Who drives changed; to drive blind ends with the lease. @param {boolean} mine */
  leaseChanged(mine) {
    if (mine) this.#chooser.restart();
    else this.#setBlind(false);
  }

  /** Asked before it is switched on. */
  async toggleBlind() {
    if (this.#blind) {
      this.#setBlind(false);
    } else if (await ask('blind.ask', 'blind.yes') && this.#may.lease().mine) {
      this.#setBlind(true);
    }
  }

  /** @param {boolean} on */
  #setBlind(on) {
    if (this.#blind === on) return;
    this.#blind = on;
    this.#report();
    this.#tick(true);
    this.#on.tab();
  }

  /** May this page say what the one encoder sends? */
  get mayChoose() {
    const { mine, holder } = this.#may.lease();
    return this.#may.driver() && (mine || !holder);
  }

  /** A choice by hand while nobody drives; the driver's page keeps to its own choice by itself. */
  chosen() {
    const choice = this.#chooser.byHand();
    this.#chooser.restart();
    if (choice && this.mayChoose && !this.#may.lease().mine) this.#send(choice);
  }

  /** @param {import('./profile.js').Choice} choice */
  async #send(choice) {
    try {
      await api('POST', 'api/camera', choice);
    } catch (error) {
      // Asked again in some seconds while the choice stands.
      console.info('the quality was not changed:', t(apiText(error)));
    }
  }

  /** @param {StreamState} values */
  #heard(values) {
    const before = this.#stream;
    this.#stream = values;
    this.#player.age.heardState(values, performance.now());
    this.#capture.heard(values);
    if (['state', 'reason', 'profile', 'fps'].some((key) => before?.[key] !== values[key])) {
      this.#tick(true);
      this.#on.tab();
    }
  }

  /** @param {import('./stats.js').Flow | null} flow */
  #sampled(flow) {
    const now = performance.now();
    if (!this.#may.lease().mine || !this.#player.age.isLive(now)) return;
    const { measured } = this.#player.age;
    const age = this.#player.age.at(now);
    const sample = flow && {
      ...sampleOf(flow), delayMs: measured && age < Infinity ? age : flow.pathMs,
    };
    const sent = this.#stream?.profile
      ? { profile: this.#stream.profile, fps: Number(this.#stream.fps) } : null;
    const scale = Math.min(2, globalThis.devicePixelRatio || 1);
    this.#chooser.step(sample, sent, $('picture').clientWidth * scale, now);
  }

  #report() {
    const age = this.#player.age.at(performance.now());
    this.#connection.send({
      op: 'picture', age_ms: Number.isFinite(age) ? Math.round(age) : null, blind: this.#blind,
    });
  }

  /** Judge at once; draw what changed, the figures not so often. @param {boolean} draw */
  #tick(draw) {
    const now = performance.now();
    const age = this.#player.age.at(now);
    const { old, away } = this.lock;
    const judged = `${look(age, this.#maxAgeMs)} ${old} ${away} ${this.#blind}`;
    const changed = judged !== this.#judged;
    this.#judged = judged;
    if (changed) this.#on.changed();
    this.#ticks += 1;
    if (changed || draw || this.#ticks % SHOWN_TICKS === 0) this.render();
  }

  /** @returns {import('./hud.js').Shown} */
  get shown() {
    const now = performance.now();
    const { age, speed, bytes, problem, connected } = this.#player;
    return {
      look: look(age.at(now), this.#maxAgeMs),
      ageMs: age.shown(now, this.#maxAgeMs / 2), measured: age.measured,
      clockErrorMs: this.#clock.errorMs,
      speed, bytes, hours: (now - this.#openedMs) / 3_600_000,
      // What it said some time ago says nothing of now.
      stream: age.heardWithin(STATE_SILENT_MS, now) ? this.#stream : null,
      problem, connected, online: this.#connection.up, blind: this.#blind,
      mayDrive: this.#may.driver() && this.#may.lease().mine, driver: this.#may.driver(),
    };
  }

  render() {
    const shown = this.shown;
    this.#hud.render(shown);
    writeNumbers(shown);
    this.#capture.render(shown.driver);
  }
}
