// SPDX-License-Identifier: Apache-2.0
// Dwell on the real page: which button is under the pointer, its progress shown on the button.

import { Dwell, LOCK_MS, STOP_TOTAL_MS } from './dwell.js';

const TARGETS = 'button, a[href], [data-dwell]';

/**
 * May this element be pressed by looking? `pads`: do the driving pads take part now?
 * @param {{on: boolean, resting: boolean, pads: boolean}} state
 * @param {{isStop: boolean, isRest: boolean, isPad: boolean}} what
 */
export function mayDwell(state, what) {
  if (!state.on) return false;
  if (what.isStop || what.isRest) return true;
  return !state.resting && (state.pads || !what.isPad);
}

export class DwellPointer {
  /** @type {{x: number, y: number} | null} */
  #pointer = null;
  #looking = false;
  #state;
  #on;
  /** @type {Dwell<HTMLElement>} */
  #dwell;

  /**
   * @param {() => {on: boolean, resting: boolean, pads: boolean, dwellMs: number}} state
   * @param {{fired: (element: HTMLElement) => void, left: (element: HTMLElement) => void,
   *     moved: () => void}} on
   */
  constructor(state, on) {
    this.#state = state;
    this.#on = on;
    this.#dwell = new Dwell((element) => {
      const dwellMs = this.#state().dwellMs;
      if (!element.matches('[data-dwell="stop"]')) return { lockMs: LOCK_MS, dwellMs };
      const lockMs = Math.min(LOCK_MS, STOP_TOTAL_MS);
      return { lockMs, dwellMs: Math.min(dwellMs, STOP_TOTAL_MS - lockMs) };
    });
  }

  /** What is being looked at has to be left first (an interlock). */
  spend() {
    this.#dwell.spend();
  }

  /** @param {Window} page */
  listen(page) {
    page.addEventListener('pointermove', (event) => {
      // A finger has no hover; and held buttons are somebody dragging.
      this.#pointer = event.pointerType === 'touch' || event.buttons
        ? null : { x: event.clientX, y: event.clientY };
      this.#on.moved();
      this.#look();
    }, { capture: true });
    page.addEventListener('pointerdown', () => {
      this.#pointer = null;  // a press by hand is not also a press by looking
      this.#look();
    }, { capture: true });
    const gone = () => {
      this.#pointer = null;
      this.#look();
    };
    page.document.documentElement.addEventListener('pointerleave', gone);
    page.addEventListener('blur', gone);
    page.document.addEventListener('visibilitychange', gone);
  }

  /** @returns {HTMLElement | null} */
  #under() {
    if (!this.#pointer) return null;
    const hit = document.elementFromPoint(this.#pointer.x, this.#pointer.y)?.closest(TARGETS);
    if (!(hit instanceof HTMLElement) || hit.matches(':disabled')) return null;
    const what = {
      isStop: hit.dataset.dwell === 'stop',
      isRest: hit.dataset.dwell === 'rest',
      isPad: hit.dataset.pad !== undefined,
    };
    return mayDwell(this.#state(), what) ? hit : null;
  }

  #look() {
    const now = performance.now();
    const { fired, left } = this.#dwell.update(this.#under(), now);
    if (left) {
      left.classList.remove('dwell-lock', 'dwell-run', 'dwell-done');
      left.style.removeProperty('--dwell');
      this.#on.left(left);
    }
    this.#show(now);
    if (fired) this.#on.fired(fired);
    if (this.#dwell.target && !this.#looking) this.#watch();
  }

  /** As long as something is looked at, each frame looks again: things may move under the pointer. */
  #watch() {
    this.#looking = true;
    requestAnimationFrame(() => {
      this.#looking = false;
      this.#look();
    });
  }

  /** @param {number} now */
  #show(now) {
    const element = this.#dwell.target;
    if (!element) return;
    const { phase, progress } = this.#dwell.at(now);
    element.classList.toggle('dwell-lock', phase === 'lock');
    element.classList.toggle('dwell-run', phase === 'dwell');
    element.classList.toggle('dwell-done', phase === 'done');
    element.style.setProperty('--dwell', progress.toFixed(3));
  }
}
