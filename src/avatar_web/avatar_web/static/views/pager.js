// SPDX-License-Identifier: Apache-2.0
// Scrolling by two big buttons, for who can only point and dwell; there only where it is needed.

import { $, show } from './dom.js';

/** The share of what is seen that one press goes on: the last lines stay in sight. */
const STEP = 0.8;

export class Pager {
  #body;

  /** @param {HTMLElement} body what scrolls */
  constructor(body) {
    this.#body = body;
    $('page-up').addEventListener('click', () => this.#turn(-1));
    $('page-down').addEventListener('click', () => this.#turn(1));
    const look = () => this.#look();
    body.addEventListener('scroll', look, { passive: true });
    body.addEventListener('load', look, { capture: true });  // a picture came in
    new ResizeObserver(look).observe(body);
    new MutationObserver(look).observe(body, { childList: true, subtree: true });
  }

  /** @param {number} direction 1 = on, -1 = back */
  #turn(direction) {
    this.#body.scrollBy({ top: direction * STEP * this.#body.clientHeight });
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#body;
    // Measured as if the buttons took no room: else they would stay once they had been needed.
    show($('pager'), scrollHeight > clientHeight + $('pager').offsetHeight + 1);
    $('page-up').disabled = scrollTop <= 0;
    $('page-down').disabled = scrollTop + clientHeight >= scrollHeight - 1;
  }
}
