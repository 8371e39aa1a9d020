// SPDX-License-Identifier: Apache-2.0
// Pressing by looking: a target that holds the pointer long enough is pressed. Pure: a target is
// anything that can be compared, time comes in as milliseconds.

/** The pointer has to settle on a target before its time begins to count: a glance is no wish. */
export const LOCK_MS = 150;
/** The emergency stop is pressed by looking in half a second, settling included. */
export const STOP_TOTAL_MS = 450;
/** Longer without a look at the pointer than this: what was begun does not count. */
const GAP_MS = 250;

/** @typedef {'idle' | 'lock' | 'dwell' | 'done'} Phase */

/** @template T */
export class Dwell {
  /** @type {T | null} */
  #target = null;
  #since = 0;
  #seen = 0;
  #done = false;
  #timeFor;

  /** @param {(target: T) => {lockMs: number, dwellMs: number}} timeFor */
  constructor(timeFor) {
    this.#timeFor = timeFor;
  }

  get target() {
    return this.#target;
  }

  /**
   * Where the pointer is now.
   * @param {T | null} target
   * @param {number} nowMs
   * @returns {{fired: T | null, left: T | null}} `left`: the target it is no longer on
   */
  update(target, nowMs) {
    const before = this.#target;
    const gap = nowMs - this.#seen > GAP_MS;
    this.#seen = nowMs;
    if (target !== before) {
      this.#target = target;
      this.#since = nowMs;
      this.#done = false;
      return { fired: null, left: before };
    }
    if (target === null || this.#done) return { fired: null, left: null };
    if (gap) this.#since = nowMs;
    const { lockMs, dwellMs } = this.#timeFor(target);
    if (nowMs - this.#since < lockMs + dwellMs) return { fired: null, left: null };
    this.#done = true;
    return { fired: target, left: null };
  }

  /** What is being looked at has to be looked away from first. */
  spend() {
    this.#done = this.#target !== null;
  }

  /**
   * @param {number} nowMs
   * @returns {{phase: Phase, progress: number}}
   */
  at(nowMs) {
    if (this.#target === null) return { phase: 'idle', progress: 0 };
    if (this.#done) return { phase: 'done', progress: 1 };
    const { lockMs, dwellMs } = this.#timeFor(this.#target);
    const passed = nowMs - this.#since - lockMs;
    if (passed < 0) return { phase: 'lock', progress: 0 };
    return { phase: 'dwell', progress: Math.min(1, passed / dwellMs) };
  }
}
