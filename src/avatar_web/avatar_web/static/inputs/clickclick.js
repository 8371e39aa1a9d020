// SPDX-License-Identifier: Apache-2.0
// One click starts, the next one, wherever it lands, stops; and time ends it in any case.

import { padWish } from './directions.js';

/** @typedef {import('./directions.js').Wish} Wish */

export class ClickClick {
  /** @type {string | null} */
  #pad = null;
  #startMs = 0;
  #onWish;

  /** @param {(wish: Wish | null) => void} onWish */
  constructor(onWish) {
    this.#onWish = onWish;
    /** driving ends by itself after this time */
    this.maxMs = 5000;
  }

  get pad() {
    return this.#pad;
  }

  /** @param {string} pad @param {number} nowMs */
  start(pad, nowMs) {
    this.stop();
    this.#pad = pad;
    this.#startMs = nowMs;
    this.#onWish(padWish(pad));
  }

  /** @returns {boolean} true if something was running */
  stop() {
    if (this.#pad === null) return false;
    this.#pad = null;
    this.#onWish(null);
    return true;
  }

  /** How much of the time is used up, 0..1. @param {number} nowMs */
  progress(nowMs) {
    return this.#pad === null ? 1 : Math.min(1, (nowMs - this.#startMs) / this.maxMs);
  }

  /** @param {number} nowMs */
  step(nowMs) {
    if (this.progress(nowMs) >= 1) this.stop();
  }

  /**
   * Any press anywhere stops, and does nothing else: the click that follows it is swallowed,
   * except on elements of `exempt` (the emergency stop).
   * @param {Window} page
   * @param {string} exempt
   */
  listen(page, exempt) {
    let swallow = false;
    const isExempt = (/** @type {Event} */ event) =>
      event.target instanceof Element && event.target.closest(exempt) !== null;
    page.addEventListener('pointerdown', (event) => {
      swallow = this.stop() && !isExempt(event);
    }, { capture: true });
    page.addEventListener('click', (event) => {
      if (this.stop() && !isExempt(event)) swallow = true;  // a click without a pointer
      if (!swallow) return;
      swallow = false;
      event.preventDefault();
      event.stopPropagation();
    }, { capture: true });
    page.addEventListener('keydown', () => this.stop(), { capture: true });
  }
}
