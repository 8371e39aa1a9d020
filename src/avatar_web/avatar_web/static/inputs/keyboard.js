// SPDX-License-Identifier: Apache-2.0
// WASD and the arrow keys, by their place on the keyboard (event.code), not by their letter.

import { combine } from './directions.js';

/** @typedef {import('./directions.js').Heading} Heading */
/** @typedef {import('./directions.js').Wish} Wish */

/** @type {Record<string, Heading>} */
export const KEYS = {
  KeyW: 'forward', ArrowUp: 'forward',
  KeyS: 'back', ArrowDown: 'back',
  KeyA: 'left', ArrowLeft: 'left',
  KeyD: 'right', ArrowRight: 'right',
};
const MODIFIERS = /^(Control|Alt|Meta|OS)(Left|Right)?$/;
const TEXT_INPUTS = /^(text|password|search|email|url|tel|number|date|time|month|week|)$/;

/**
 * Does this element take the keys as text?
 * @param {any} element
 */
export function isTextField(element) {
  const name = element?.tagName?.toLowerCase();
  if (name === 'input') return TEXT_INPUTS.test((element.type ?? '').toLowerCase());
  return name === 'textarea' || name === 'select' || element?.isContentEditable === true;
}

/**
 * Does this element use this key itself (text, or arrows on a slider)?
 * @param {any} element
 * @param {string} code
 */
export function usesKey(element, code) {
  if (isTextField(element)) return true;
  return code.startsWith('Arrow') && element?.tagName?.toLowerCase() === 'input';
}

export class Keyboard {
  /** @type {Set<string>} codes held, the newest last */
  #held = new Set();
  /** @type {Set<string>} held when the page lost the keyboard: deaf until released once */
  #stale = new Set();
  /** @type {Set<string>} stale codes that were seen to be still down */
  #refused = new Set();
  #onWish;

  /**
   * @param {(wish: Wish | null, stale: boolean) => void} onWish `stale`: a key is held that must
   *     be let go first
   */
  constructor(onWish) {
    this.#onWish = onWish;
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} true if the key was for driving
   */
  down(event) {
    if (MODIFIERS.test(event.code)) {  // a browser may swallow the key-up of W in Ctrl+W
      this.drop();
      return false;
    }
    if (!(event.code in KEYS) || event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.isComposing || usesKey(event.target, event.code)) return false;
    if (this.#stale.has(event.code)) {
      this.#refused.add(event.code);
    } else if (!event.repeat) {
      this.#held.add(event.code);
    }
    this.#report();
    return true;
  }

  /** Heard wherever the focus is. @param {{code: string}} event */
  up(event) {
    const known = this.#held.delete(event.code);
    const stale = this.#stale.delete(event.code);
    this.#refused.delete(event.code);
    if (known || stale) this.#report();
  }

  /** The page loses the keyboard: nothing is held any more, and what was is deaf until released. */
  drop() {
    for (const code of this.#held) this.#stale.add(code);
    this.#held.clear();
    this.#refused.clear();
    this.#report();
  }

  /** @returns {Wish | null} */
  get wish() {
    if (this.#held.size === 0 && this.#refused.size === 0) return null;
    return combine(this.#headings());
  }

  /** Of two opposite keys the newer one counts. @returns {Heading[]} */
  #headings() {
    const newestFirst = [...this.#held].reverse().map((code) => KEYS[code]);
    const along = newestFirst.find((name) => name === 'forward' || name === 'back');
    const across = newestFirst.find((name) => name === 'left' || name === 'right');
    return /** @type {Heading[]} */ ([along, across].filter(Boolean));
  }

  #report() {
    this.#onWish(this.wish, this.#refused.size > 0);
  }

  /** @param {Window} page */
  listen(page) {
    page.addEventListener('keydown', (event) => {
      if (this.down(event)) event.preventDefault();
    }, { capture: true });
    page.addEventListener('keyup', (event) => this.up(event), { capture: true });
  }
}
