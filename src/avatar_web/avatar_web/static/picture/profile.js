// SPDX-License-Identifier: Apache-2.0
// What the one encoder of the robot shall send: by hand, or as the driver's link bears it.

import { Quality } from './quality.js';

/** @typedef {{profile: string, fps: number}} Choice */

/** Widths of the profiles [px]. @type {Record<string, number>} */
export const WIDTHS = { '320p': 640, '480p': 854, '720p': 1280 };
const PROFILES = Object.keys(WIDTHS);
/** The least there is; also what saving data means. @type {Choice} */
export const LEAST = { profile: PROFILES[0], fps: 10 };
/** A picture may be stretched by this much before a larger one is worth its data. */
const STRETCH = 1.15;
/** The robot needs this long to do what it was told, and to say so. */
const AGAIN_MS = 4000;

/** The levels of the automatic choice, the least first. @param {number} fps @returns {Choice[]} */
export function ladder(fps) {
  const steps = PROFILES.map((profile) => ({ profile, fps }));
  return fps > LEAST.fps ? [LEAST, ...steps] : steps;
}

/** The highest level that can be seen on so many pixels. @param {Choice[]} levels @param {number} widthPx */
export function ceiling(levels, widthPx) {
  const enough = levels.findIndex(({ profile, fps }) =>
    WIDTHS[profile] * STRETCH >= widthPx && (fps > LEAST.fps || levels[0] !== LEAST));
  return enough < 0 ? levels.length - 1 : enough;
}

/** @param {Choice[]} levels @param {Choice | null} now */
function levelOf(levels, now) {
  const same = levels.findIndex(({ profile, fps }) => profile === now?.profile && fps === now.fps);
  const alike = levels.findLastIndex(({ profile }) => profile === now?.profile);
  return same >= 0 ? same : alike >= 0 ? alike : levels.findLastIndex((one) => one.profile === '480p');
}

export class ProfileChooser {
  #settings;
  #post;
  /** @type {Quality | null} */
  #quality = null;
  /** @type {Choice[]} */
  #levels = [];
  #postedMs = -Infinity;

  /**
   * @param {import('../settings.js').Settings} settings
   * @param {(choice: Choice) => Promise<void>} post tells the robot
   */
  constructor(settings, post) {
    this.#settings = settings;
    this.#post = post;
    settings.onChange((name) => {
      if (name === 'fps') this.#quality = null;
    });
  }

  /** Begin the automatic choice anew: somebody else may have driven meanwhile. */
  restart() {
    this.#quality = null;
    this.#postedMs = -Infinity;
  }

  /** What was chosen by hand; null: automatic. @returns {Choice | null} */
  byHand() {
    if (this.#settings.get('dataSaver')) return LEAST;
    const profile = this.#settings.get('quality');
    return profile === 'auto' ? null : { profile, fps: this.#settings.get('fps') };
  }

  /**
   * Called about each half second while this page holds the lease.
   * @param {import('./quality.js').Sample | null} sample null: no numbers
   * @param {Choice | null} now what the robot sends, null: not known
   * @param {number} widthPx what the picture is shown on @param {number} nowMs
   */
  step(sample, now, widthPx, nowMs) {
    if (!now) return;
    const wanted = this.byHand() ?? this.#auto(sample, now, widthPx, nowMs);
    if (wanted.profile === now.profile && wanted.fps === now.fps) return;
    if (nowMs - this.#postedMs < AGAIN_MS) return;
    this.#postedMs = nowMs;
    this.#post(wanted);
  }

  /**
   * @param {import('./quality.js').Sample | null} sample @param {Choice} now
   * @param {number} widthPx @param {number} nowMs
   */
  #auto(sample, now, widthPx, nowMs) {
    if (!this.#quality) {
      this.#levels = ladder(this.#settings.get('fps'));
      this.#quality = new Quality(this.#levels.length, levelOf(this.#levels, now));
    }
    this.#quality.limit(ceiling(this.#levels, widthPx));
    return this.#levels[this.#quality.step(sample, nowMs)];
  }
}
