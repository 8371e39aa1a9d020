// SPDX-License-Identifier: Apache-2.0
// Driving by looking: a pad that was looked at long enough drives for as long as the pointer
// stays on it. Leaving it stops at once. (The waiting is in dwell.js.)

import { padWish } from './directions.js';

/** @typedef {import('./directions.js').Wish} Wish */

export class Hover {
  /** @type {string | null} */
  #pad = null;
  #movedAt = 0;
  #onWish;

  /** @param {(wish: Wish | null) => void} onWish */
  constructor(onWish) {
    this.#onWish = onWish;
    /** share of the top speed that looking may use, 0..1 */
    this.limit = 0.35;
    /** a pointer that does not move at all for this long is a tracker that lost the eyes */
    this.stillMs = 5000;
  }

  get pad() {
    return this.#pad;
  }

  /** @param {string} pad @param {number} nowMs */
  start(pad, nowMs) {
    this.#pad = pad;
    this.#movedAt = nowMs;
    this.#onWish({ ...padWish(pad), limit: this.limit });
  }

  stop() {
    if (this.#pad === null) return;
    this.#pad = null;
    this.#onWish(null);
  }

  /** The pointer moved. @param {number} nowMs */
  moved(nowMs) {
    this.#movedAt = nowMs;
  }

  /**
   * @param {number} nowMs
   * @returns {boolean} true if the pointer stood still for too long and driving ended
   */
  step(nowMs) {
    if (this.#pad === null || nowMs - this.#movedAt < this.stillMs) return false;
    this.stop();
    return true;
  }
}
