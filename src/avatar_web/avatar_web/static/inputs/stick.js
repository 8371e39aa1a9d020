// SPDX-License-Identifier: Apache-2.0
// A stick on the screen: pull it where the robot shall go.

/** @typedef {import('./directions.js').Wish} Wish */

const DEAD_ZONE = 0.12;

/**
 * Share of an axis beyond its dead zone, so that motion begins at zero and not with a jump.
 * @param {number} value -1..1
 * @param {number} deadZone
 */
export function beyond(value, deadZone) {
  if (!Number.isFinite(value)) return 0;
  const size = Math.min(1, Math.abs(value));
  if (size <= deadZone) return 0;
  return Math.sign(value) * ((size - deadZone) / (1 - deadZone));
}

/**
 * @param {number} dx pixels right of the middle
 * @param {number} dy pixels below the middle
 * @param {number} radius pixels
 * @returns {Wish} neutral inside the dead zone
 */
export function stickWish(dx, dy, radius) {
  const far = Math.hypot(dx, dy);
  const scale = far > radius ? radius / far : 1;
  return {
    forward: beyond((-dy * scale) / radius, DEAD_ZONE) + 0,
    turn: beyond((-dx * scale) / radius, DEAD_ZONE) + 0,
  };
}

export class Stick {
  /** @type {number | null} */
  #pointer = null;
  #onWish;
  #onLost;

  /** @param {(wish: Wish | null) => void} onWish @param {() => void} onLost */
  constructor(onWish, onLost) {
    this.#onWish = onWish;
    this.#onLost = onLost;
  }

  /**
   * @param {HTMLElement} field the round field
   * @param {HTMLElement} knob
   */
  listen(field, knob) {
    const follow = (/** @type {PointerEvent} */ event) => {
      const box = field.getBoundingClientRect();
      const radius = Math.min(box.width, box.height) / 2;
      const dx = event.clientX - box.left - box.width / 2;
      const dy = event.clientY - box.top - box.height / 2;
      const scale = Math.min(1, (radius * 0.62) / Math.max(1, Math.hypot(dx, dy)));
      knob.style.transform = `translate(${dx * scale}px, ${dy * scale}px)`;
      this.#onWish(stickWish(dx, dy, radius * 0.8));
    };
    const end = (/** @type {PointerEvent} */ event, /** @type {boolean} */ lost) => {
      if (event.pointerId !== this.#pointer) return;
      this.#pointer = null;
      knob.style.transform = '';
      this.#onWish(null);
      if (lost) this.#onLost();
    };
    field.addEventListener('pointerdown', (event) => {
      if (this.#pointer !== null || (event.pointerType === 'mouse' && event.button !== 0)) return;
      event.preventDefault();
      field.setPointerCapture(event.pointerId);
      this.#pointer = event.pointerId;
      follow(event);
    });
    field.addEventListener('pointermove', (event) => {
      if (event.pointerId === this.#pointer) follow(event);
    });
    field.addEventListener('pointerup', (event) => end(event, false));
    field.addEventListener('pointercancel', (event) => end(event, true));
    field.addEventListener('lostpointercapture', (event) => end(event, true));
    field.addEventListener('contextmenu', (event) => event.preventDefault());
  }
}
