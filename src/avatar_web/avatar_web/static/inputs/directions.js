// SPDX-License-Identifier: Apache-2.0
// What a direction on a pad or key asks for, and how several of them add up.

/**
 * What an input asks for: shares of the speed limits, forward and left positive, -1..1.
 * `limit`, where given, caps the share of the top speed this input may use, 0..1.
 * @typedef {{forward: number, turn: number, limit?: number}} Wish
 */

/** @typedef {'forward'|'back'|'left'|'right'} Heading */

/** How much of the turning limit a diagonal uses: the inner track keeps moving. */
export const DIAGONAL_TURN = 0.5;

/** @type {Record<string, Heading[]>} a pad's name -> the headings it stands for */
export const PADS = {
  forward_left: ['forward', 'left'],
  forward: ['forward'],
  forward_right: ['forward', 'right'],
  left: ['left'],
  right: ['right'],
  back_left: ['back', 'left'],
  back: ['back'],
  back_right: ['back', 'right'],
};

/**
 * One wish out of the headings that are held; opposite ones cancel out.
 * Backwards, left means that the robot's tail swings left, as the arrow on the pad points.
 * @param {Iterable<Heading>} headings
 * @returns {Wish}
 */
export function combine(headings) {
  const held = new Set(headings);
  const forward = Number(held.has('forward')) - Number(held.has('back'));
  let turn = Number(held.has('left')) - Number(held.has('right'));
  if (forward && turn) turn *= forward * DIAGONAL_TURN;
  return { forward, turn };
}

/**
 * The wish of one pad.
 * @param {string} name
 * @returns {Wish}
 */
export function padWish(name) {
  return combine(PADS[name] ?? []);
}
