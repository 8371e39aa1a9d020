// SPDX-License-Identifier: Apache-2.0
// Dwell on the real page: which button is under the pointer, its progress shown on the button.

import { Dwell, LOCK_MS, STOP_TOTAL_MS } from './dwell.js';

/** The way in for who can only look: longer than a mouse rests anywhere by chance. */
const WAY_IN_MS = 2000;
/** A look this far from the last press has left it. */
const AWAY_PX = 80;

const TARGETS = 'button, a[href], [data-dwell]';

/**
 * May this element be pressed by looking? `pads`: do the driving pads take part now?
 * @param {{on: boolean, resting: boolean, pads: boolean}} state
 * @param {{isStop: boolean, isRest: boolean, isPad: boolean, isWayIn?: boolean}} what
 */
export function mayDwell(state, what) {
  if (!state.on) return what.isWayIn === true;
  if (what.isStop || what.isRest) return true;
  return !state.resting && (state.pads || !what.isPad);
}

export class DwellPointer {
  /** @type {{x: number, y: number} | null} */
  #pointer = null;
  /** @type {{at: {x: number, y: number}, what: HTMLElement} | null} the last press by looking */
  #pressed = null;
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
      const { on, dwellMs } = this.#state();
      if (!on) return { lockMs: LOCK_MS, dwellMs: WAY_IN_MS };
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
    if (!(hit instanceof HTMLElement) || hit.matches(':disabled')) {
      this.#leavePress();
      return null;
    }
    if (this.#isUnderThePress(hit)) return null;
    const what = {
      isWayIn: hit.dataset.method === 'gaze',
      isStop: hit.dataset.dwell === 'stop',
      isRest: hit.dataset.dwell === 'rest',
      isPad: hit.dataset.pad !== undefined,
    };
    return mayDwell(this.#state(), what) ? hit : null;
  }

  /** Beside everything: away from the last press, or only in a gap of what appeared there? */
  #leavePress() {
    if (!this.#pressed || !this.#pointer) return;
    const { at } = this.#pressed;
    if (Math.hypot(this.#pointer.x - at.x, this.#pointer.y - at.y) > AWAY_PX) this.#pressed = null;
  }

  /**
   * What appears where somebody is still looking (a confirmation, above all) was not looked at on
   * purpose: the look has to leave that place first. The emergency stop asks for nothing.
   * @param {HTMLElement} hit
   */
  #isUnderThePress(hit) {
    if (!this.#pressed || hit === this.#pressed.what || hit.dataset.dwell === 'stop') return false;
    const { at } = this.#pressed;
    const box = hit.getBoundingClientRect();
    const covers = at.x >= box.left && at.x <= box.right && at.y >= box.top && at.y <= box.bottom;
    if (!covers) this.#pressed = null;
    return covers;
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
    if (fired) {
      if (this.#pointer) this.#pressed = { at: this.#pointer, what: fired };
      this.#on.fired(fired);
    }
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
