// SPDX-License-Identifier: Apache-2.0
// A step that ends itself: a little forward, back, or a turn on the spot.

import { padWish } from './directions.js';

/** @typedef {import('./directions.js').Wish} Wish */

/** No step lasts longer, whatever was asked for. */
export const LONGEST_MS = 3000;
/** The share of the top speed a step uses at most: slow enough to be exact. */
export const NUDGE_LIMIT = 0.5;

/**
 * How long a step takes at the speed it is driven with. (The robot's own ramp makes it a little
 * shorter than asked, never longer.)
 * @param {string} pad forward, back, left or right
 * @param {{stepM: number, stepDeg: number}} size
 * @param {{maxSpeedMps: number, maxTurnRadps: number}} limits
 * @param {number} share of the limits it is driven with, 0..1
 * @returns {number} milliseconds
 */
export function nudgeMs(pad, size, limits, share) {
  const turning = pad === 'left' || pad === 'right';
  const amount = turning ? (size.stepDeg * Math.PI) / 180 : size.stepM;
  const rate = share * (turning ? limits.maxTurnRadps : limits.maxSpeedMps);
  return rate > 0 ? Math.min(LONGEST_MS, (amount / rate) * 1000) : 0;
}

export class Nudge {
  /** @type {string | null} */
  #pad = null;
  #startMs = 0;
  #lengthMs = 0;
  #onWish;

  /** @param {(wish: Wish | null) => void} onWish */
  constructor(onWish) {
    this.#onWish = onWish;
  }

  get pad() {
    return this.#pad;
  }

  /** @param {string} pad @param {number} lengthMs @param {number} nowMs */
  start(pad, lengthMs, nowMs) {
    this.stop();  // a new step is a new decision, also for an interlock
    this.#pad = pad;
    this.#startMs = nowMs;
    this.#lengthMs = Math.min(lengthMs, LONGEST_MS);
    this.#onWish({ ...padWish(pad), limit: NUDGE_LIMIT });
  }

  stop() {
    if (this.#pad === null) return;
    this.#pad = null;
    this.#onWish(null);
  }

  /** How much of the step is done, 0..1. @param {number} nowMs */
  progress(nowMs) {
    if (this.#pad === null || this.#lengthMs <= 0) return 1;
    return Math.min(1, (nowMs - this.#startMs) / this.#lengthMs);
  }

  /** @param {number} nowMs */
  step(nowMs) {
    if (this.#pad !== null && this.progress(nowMs) >= 1) this.stop();
  }
}
