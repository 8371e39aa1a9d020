// SPDX-License-Identifier: Apache-2.0
// Hold-to-drive pads: any number of fingers, each on one pad at a time.

import { PADS, combine } from './directions.js';

/** @typedef {import('./directions.js').Wish} Wish */

export class Pads {
  /** @type {Map<number | string, string | null>} pointer (or key) -> pad under it, null beside */
  #pointers = new Map();
  #onWish;
  #onLost;

  /**
   * @param {(wish: Wish | null) => void} onWish
   * @param {() => void} onLost a pointer was taken away (not lifted): what is held must be let go
   */
  constructor(onWish, onLost) {
    this.#onWish = onWish;
    this.#onLost = onLost;
  }

  /** @param {number | string} pointer @param {string} pad */
  press(pointer, pad) {
    this.#pointers.set(pointer, pad);
    this.#report();
  }

  /** A held finger slides; beside the pads it drives no more. @param {number | string} pointer @param {string | null} pad */
  move(pointer, pad) {
    if (!this.#pointers.has(pointer) || this.#pointers.get(pointer) === pad) return;
    this.#pointers.set(pointer, pad);
    this.#report();
  }

  /** @param {number | string} pointer */
  release(pointer) {
    if (this.#pointers.delete(pointer)) this.#report();
  }

  /** The browser took the pointer. @param {number | string} pointer */
  lose(pointer) {
    if (!this.#pointers.delete(pointer)) return;
    this.#report();
    this.#onLost();
  }

  /** Everything is let go (the pads are put away). */
  clear() {
    if (this.#pointers.size === 0) return;
    this.#pointers.clear();
    this.#report();
  }

  /** @returns {string[]} the pads that are held */
  get held() {
    return /** @type {string[]} */ ([...this.#pointers.values()].filter((pad) => pad !== null));
  }

  /** @returns {Wish | null} */
  get wish() {
    const held = this.held;
    return held.length ? combine(held.flatMap((pad) => PADS[pad])) : null;
  }

  #report() {
    this.#onWish(this.wish);
  }

  /**
   * @param {HTMLElement} board element that holds the pads (`data-pad`)
   * @param {() => boolean} active is this the way of driving that is chosen?
   */
  listen(board, active) {
    const padAt = (/** @type {PointerEvent} */ event) => {
      const hit = document.elementFromPoint(event.clientX, event.clientY);
      const pad = hit?.closest('[data-pad]');
      return pad instanceof HTMLElement && board.contains(pad) ? pad.dataset.pad ?? null : null;
    };
    board.addEventListener('pointerdown', (event) => {
      const pad = padAt(event);
      if (!active() || !pad || (event.pointerType === 'mouse' && event.button !== 0)) return;
      event.preventDefault();
      board.setPointerCapture(event.pointerId);
      this.press(event.pointerId, pad);
    });
    board.addEventListener('pointermove', (event) => this.move(event.pointerId, padAt(event)));
    board.addEventListener('pointerup', (event) => this.release(event.pointerId));
    board.addEventListener('pointercancel', (event) => this.lose(event.pointerId));
    board.addEventListener('lostpointercapture', (event) => this.lose(event.pointerId));
    board.addEventListener('contextmenu', (event) => event.preventDefault());
    this.#listenToEnter(board, active);
  }

  /** A focused pad is held by the Enter key. @param {HTMLElement} board @param {() => boolean} active */
  #listenToEnter(board, active) {
    board.addEventListener('keydown', (event) => {
      const pad = event.target instanceof HTMLElement ? event.target.dataset.pad : undefined;
      if (!active() || !pad || event.key !== 'Enter') return;
      event.preventDefault();
      if (!event.repeat) this.press('Enter', pad);
    });
    board.addEventListener('keyup', (event) => {
      if (event.key === 'Enter') this.release('Enter');
    });
    board.addEventListener('focusout', () => this.release('Enter'));
  }
}
