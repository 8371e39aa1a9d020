// SPDX-License-Identifier: Apache-2.0
// A game controller: left stick or cross to drive, B (or circle) for the emergency stop.

import { combine } from './directions.js';
import { beyond } from './stick.js';

/** @typedef {import('./directions.js').Wish} Wish */
/** @typedef {import('./directions.js').Heading} Heading */
/** @typedef {{axes: readonly number[], buttons: readonly {pressed: boolean}[]}} PadState */

const DEAD_ZONE = 0.18;
const STOP_BUTTON = 1;
/** @type {[number, Heading][]} buttons of the cross in the standard mapping */
const CROSS = [[12, 'forward'], [13, 'back'], [14, 'left'], [15, 'right']];

/**
 * @param {PadState} pad
 * @returns {Wish | null} null when nothing is moved
 */
export function gamepadWish(pad) {
  const headings = CROSS.filter(([index]) => pad.buttons[index]?.pressed).map(([, name]) => name);
  if (headings.length) return combine(headings);
  const forward = -beyond(pad.axes[1] ?? 0, DEAD_ZONE) + 0;
  const turn = -beyond(pad.axes[0] ?? 0, DEAD_ZONE) + 0;
  return forward || turn ? { forward, turn } : null;
}

/** @param {PadState} pad */
export const gamepadStop = (pad) => pad.buttons[STOP_BUTTON]?.pressed === true;

export class GamepadPoller {
  /** @type {Set<number>} controllers whose first look is still to come */
  #fresh = new Set();
  #stopHeld = false;
  #running = false;
  #on;

  /**
   * @param {{wish: (wish: Wish | null, stale?: boolean) => void, lost: () => void,
   *     stop: () => void,
   *     presence: (connected: boolean) => void}} on
   */
  constructor(on) {
    this.#on = on;
  }

  /** @param {Window} page */
  listen(page) {
    page.addEventListener('gamepadconnected', (event) => {
      this.#fresh.add(event.gamepad.index);
      this.#on.presence(true);
      this.#run();
    });
    page.addEventListener('gamepaddisconnected', () => {
      this.#on.wish(null);
      this.#on.lost();
      if (this.#pads().length === 0) this.#on.presence(false);
    });
  }

  #pads() {
    return [...navigator.getGamepads()].filter((pad) => pad?.connected);
  }

  #run() {
    if (this.#running) return;
    this.#running = true;
    const look = () => {
      const pads = /** @type {Gamepad[]} */ (this.#pads());
      this.#look(pads);
      this.#running = pads.length > 0;
      if (this.#running) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  /** @param {Gamepad[]} pads */
  #look(pads) {
    const wishes = pads.map((pad) => gamepadWish(pad));
    const stop = pads.some(gamepadStop);
    if (stop && !this.#stopHeld) this.#on.stop();
    this.#stopHeld = stop;
    // Plugged in with its stick held over: that is no wish to drive.
    const stale = pads.filter((pad) => this.#fresh.delete(pad.index)).length > 0;
    this.#on.wish(wishes.find((wish) => wish !== null) ?? null, stale);
  }
}
