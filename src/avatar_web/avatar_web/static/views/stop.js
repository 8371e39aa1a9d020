// SPDX-License-Identifier: Apache-2.0
// The emergency stop on the page: its button, the space bar, and the way out of it.

import { EStop } from '../estop.js';
import { t } from '../i18n.js';
import { isTextField } from '../inputs/keyboard.js';
import { ask, cancelAsk } from './ask.js';
import { $, say, show } from './dom.js';

/** How often an unconfirmed press looks whether it must be sent again. */
const LOOK_MS = 100;
/** A click that follows a press of the same button is the same press. */
const SAME_PRESS_MS = 800;

/** @typedef {import('../connection.js').Connection} Connection */

export class StopView {
  #core = new EStop();
  #connection;
  #on;
  #pressedAt = -Infinity;
  /** @type {ReturnType<typeof setInterval> | null} */
  #timer = null;
  #number = '';
  #asking = false;

  /**
   * @param {Connection} connection
   * @param {{pressed: () => void, changed: () => void, notice: (text: string) => void}} on
   */
  constructor(connection, on) {
    this.#connection = connection;
    this.#on = on;
    connection.subscribe('e_stop', { type: 'std_msgs/msg/Bool' }, ({ data }) => {
      this.#core.heard(data === true);
      this.#on.changed();
    });
    connection.on('lost', () => {
      this.#core.lost();
      this.#on.changed();
    });
    this.#listen();
  }

  /** @returns {import('../estop.js').StopState} */
  get state() {
    return this.#core.state;
  }

  press() {
    this.#core.press();
    this.#on.pressed();
    cancelAsk();
    this.#step();
    this.#timer ??= setInterval(() => this.#step(), LOOK_MS);
  }

  #listen() {
    const button = $('stop');
    button.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === 'mouse' && event.button !== 0) return;
      this.#pressedAt = performance.now();
      this.press();
    });
    button.addEventListener('click', () => {  // Enter, a screen reader, looking
      if (performance.now() - this.#pressedAt > SAME_PRESS_MS) this.press();
    });
    // Space stops wherever the focus is, but in a text field. It never clicks a button, so the
    // key-up is taken as well: that is what a browser clicks by.
    for (const type of ['keydown', 'keyup']) {
      window.addEventListener(type, (/** @type {any} */ event) => {
        if (event.code !== 'Space' || isTextField(event.target)) return;
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        event.stopPropagation();
        if (type === 'keydown' && !event.repeat) this.press();
      }, { capture: true });
    }
    $('reset').addEventListener('click', () => this.#reset());
  }

  #step() {
    if (this.#core.state !== 'pending') {
      if (this.#timer !== null) clearInterval(this.#timer);
      this.#timer = null;
      return;
    }
    if (!this.#core.step(performance.now())) return;
    this.#connection.call('e_stop_trigger').then(() => {
      this.#core.answered();
      this.#on.changed();
    }, () => undefined);  // no answer, or none that counts: it goes out again in half a second
  }

  async #reset() {
    const number = this.#number;
    this.#asking = true;
    const yes = await ask('stop.reset_ask', 'stop.reset_yes', { number });
    this.#asking = false;
    if (!yes) return;
    try {
      await this.#connection.call('e_stop_reset', { number: Number(number) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : '';
      this.#on.notice(t('stop.reset_failed', { reason }));
    }
  }

  /**
   * `held`: the inputs whose commands go on, as motor/state says: operator, cmd_vel
   * @param {{number: string, boardConfirmed: boolean, mayReset: boolean, viewer: boolean,
   *     held: string}} now
   */
  render({ number, boardConfirmed, mayReset, viewer, held }) {
    const state = this.#core.state;
    const latched = state === 'latched';
    // A question about an older stop, or one that somebody else answered, is no question any more.
    if (this.#asking && (number !== this.#number || !latched)) cancelAsk();
    this.#number = number;
    const stopped = number ? t('why.stopped', { number }) : t('why.stopped_any');
    $('stop').dataset.state = state;
    const title = latched ? 'stop.latched' : state === 'pending' ? 'stop.pending' : 'stop.button';
    const detail = {
      unknown: 'stop.unknown', clear: 'stop.space', pending: 'stop.not_confirmed',
      latched: boardConfirmed ? 'stop.confirmed_board' : 'stop.confirmed',
    }[state];
    say($('stop-title'), t(title, { number }));
    say($('stop-detail'), t(detail));
    say($('stop-alert'), state === 'pending' ? `${t('stop.pending')}. ${t('stop.not_confirmed')}`
      : latched ? stopped : '');
    show($('stopped'), latched);
    if (!latched) return;
    say($('stopped-title'), stopped);
    say($('stopped-text'), t(!mayReset ? (viewer ? 'stop.viewer_reset' : 'stop.take_to_reset')
      : held.includes('cmd_vel') ? 'stop.held_program' : held ? 'stop.held_hand' : 'stop.how_reset'));
    show($('reset'), mayReset && number !== '');
    $('reset').disabled = held !== '';  // the robot would refuse it
  }
}
