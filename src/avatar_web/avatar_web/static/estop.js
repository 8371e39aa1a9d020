// SPDX-License-Identifier: Apache-2.0
// The emergency stop as the page knows it. Pure: time comes in as milliseconds.
// A press stays "not confirmed" and is repeated until the robot's own `e_stop` says that it holds.

/** A press that is not confirmed is sent again this often. */
export const RETRY_MS = 500;

/** @typedef {'unknown' | 'clear' | 'pending' | 'latched'} StopState */

export class EStop {
  /** @type {boolean | null} what `e_stop` said last */
  #latched = null;
  #pending = false;
  #answered = false;
  #triedAt = -Infinity;

  /** @returns {StopState} */
  get state() {
    if (this.#pending) return 'pending';
    if (this.#latched === null) return 'unknown';
    return this.#latched ? 'latched' : 'clear';
  }

  /** Pressed: it goes out at the next `step`, at once. */
  press() {
    this.#pending = true;
    this.#answered = false;
    this.#triedAt = -Infinity;
  }

  /** `e_stop` said so. @param {boolean} latched */
  heard(latched) {
    this.#latched = latched;
    if (latched) this.#pending = false;
  }

  /** The robot answered the press; where it stood latched already, that is the confirmation. */
  answered() {
    this.#answered = true;
    if (this.#latched) this.#pending = false;
  }

  /** The link is gone: what was known is known no more, a press is still owed. */
  lost() {
    this.#latched = null;
    this.#answered = false;
  }

  /** True if the press (or its repetition) has to be sent now. @param {number} nowMs */
  step(nowMs) {
    if (!this.#pending || nowMs - this.#triedAt < RETRY_MS) return false;
    this.#triedAt = nowMs;
    return true;
  }
}
