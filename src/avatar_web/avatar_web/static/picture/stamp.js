// SPDX-License-Identifier: Apache-2.0
// The time that a camera wrote into its picture: a strip of black and white cells at the top left.
// Pure: the brightness of the cells goes in, milliseconds come out.

/** Cells in the strip, which is as wide as the picture: sync, time, checksum. */
export const CELLS = 40;
/** What the time counts up to before it begins anew (32 bits of milliseconds). */
export const WRAP_MS = 2 ** 32;

const SYNC_CELLS = 4;
const TIME_CELLS = 32;
/** White and black are at least this far apart, of 255; less is no strip of ours. */
const CONTRAST = 80;
/** A cell this near to the middle between the two, as a share of their distance, is not readable. */
const UNSURE = 0.12;

/**
 * @param {ArrayLike<number>} luma brightness in the middle of each of the 40 cells, 0..255
 * @returns {number | null} the camera's CLOCK_MONOTONIC [ms] modulo 2^32; null: no stamp
 */
export function readStamp(luma) {
  const white = (luma[0] + luma[2]) / 2;
  const black = (luma[1] + luma[3]) / 2;
  const contrast = white - black;
  if (!(contrast >= CONTRAST)) return null;
  const middle = (white + black) / 2;
  /** @type {number[]} */
  const bits = [];
  for (let cell = 0; cell < CELLS; cell += 1) {
    const away = luma[cell] - middle;
    if (Math.abs(away) < UNSURE * contrast) return null;
    bits.push(away > 0 ? 1 : 0);
  }
  if (bits.slice(0, SYNC_CELLS).join('') !== '1010') return null;
  let time = 0;
  let sum = 0;
  for (let at = SYNC_CELLS; at < SYNC_CELLS + TIME_CELLS; at += 4) {
    const nibble = nibbleAt(bits, at);
    time = time * 16 + nibble;
    sum ^= nibble;
  }
  return sum === nibbleAt(bits, SYNC_CELLS + TIME_CELLS) ? time : null;
}

/** @param {number[]} bits @param {number} at */
function nibbleAt(bits, at) {
  return bits[at] * 8 + bits[at + 1] * 4 + bits[at + 2] * 2 + bits[at + 3];
}

/**
 * How long ago a stamp was written.
 * @param {number} stampMs modulo 2^32 @param {number} nowMs on the camera's clock, not wrapped
 * @returns {number} -2^31 .. 2^31 ms; negative where the two clocks are not known well
 */
export function stampAge(stampMs, nowMs) {
  const age = (((nowMs - stampMs) % WRAP_MS) + WRAP_MS) % WRAP_MS;
  return age < WRAP_MS / 2 ? age : age - WRAP_MS;
}
