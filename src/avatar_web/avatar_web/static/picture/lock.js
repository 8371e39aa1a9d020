// SPDX-License-Identifier: Apache-2.0
// Whether the picture is good enough to drive by. Pure.

/** A picture that stands still is greyed before it is too old to drive by: this share of it. */
const GREY_SHARE = 0.6;

/**
 * @typedef {'live' | 'old' | 'away'} Look `old`: the last one is shown, grey, with its age
 * @typedef {{old: boolean, away: boolean, blind: boolean}} Lock
 */

/**
 * What the stage shows.
 * @param {number} ageMs Infinity: there is none @param {number} maxAgeMs
 * @returns {Look}
 */
export function look(ageMs, maxAgeMs) {
  if (ageMs === Infinity) return 'away';
  return ageMs > maxAgeMs * GREY_SHARE ? 'old' : 'live';
}

/**
 * Does the picture forbid driving?
 * @param {number} ageMs @param {number} maxAgeMs @param {boolean} blind the driver said: drive anyway
 * @returns {Lock}
 */
export function lock(ageMs, maxAgeMs, blind) {
  return { old: !(ageMs <= maxAgeMs), away: ageMs === Infinity, blind };
}
