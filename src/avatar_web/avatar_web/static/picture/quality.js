// SPDX-License-Identifier: Apache-2.0
// Which quality the link can bear: down quickly, up slowly, and what failed is not tried again
// soon. Pure: one sample of the link about each half second, time comes in as milliseconds.

/** @typedef {{lossShare: number | null, delayMs: number | null}} Sample null: not known */

/** More lost packets than this are too many. */
const LOSS = 0.02;
/** So many at once need no second look. */
const HEAVY_LOSS = 0.1;
/** So many samples of loss after each other are no chance. */
const LOSS_SAMPLES = 2;
/** So much more delay than at its best: something is queueing up. */
const GROWTH_MS = 200;
/** So many samples: a computer that was busy for a moment delays, too. */
const GROWTH_SAMPLES = 3;
/** The best delay is looked for in this time. */
const BEST_WITHIN_MS = 30_000;
/** A change needs this long to show: the encoder starts anew. */
const SETTLE_MS = 3000;
/** Without a bad sample for this long, a better picture is tried. */
export const QUIET_MS = 15_000;
/** A step up that had to be taken back within this time had failed: the next try waits longer. */
const TRIAL_MS = 60_000;
const LONGEST_QUIET_MS = 240_000;

export class Quality {
  #level;
  #ceiling;
  #changedMs = -Infinity;
  #quietSinceMs = NaN;
  #lossy = 0;
  #slow = 0;
  /** @type {{atMs: number, delayMs: number}[]} */
  #delays = [];
  /** @type {number[]} how long it has to be quiet before each level is tried */
  #waits;

  /** @param {number} levels how many there are, the worst is 0 @param {number} level the first one */
  constructor(levels, level) {
    this.#ceiling = levels - 1;
    this.#level = Math.max(0, Math.min(this.#ceiling, level));
    this.#waits = Array.from({ length: levels }, () => QUIET_MS);
  }

  get level() {
    return this.#level;
  }

  /** What is more than this cannot be seen. @param {number} level */
  limit(level) {
    this.#ceiling = Math.max(0, Math.min(this.#waits.length - 1, level));
  }

  /**
   * @param {Sample | null} sample null: no numbers, which is not the same as good ones
   * @param {number} nowMs
   * @returns {number} the level that shall be sent from now on
   */
  step(sample, nowMs) {
    if (this.#level > this.#ceiling) return this.#go(this.#ceiling, nowMs);
    if (!sample || sample.lossShare === null) {
      this.#quietSinceMs = NaN;
      return this.#level;
    }
    if (nowMs - this.#changedMs < SETTLE_MS) return this.#level;
    this.#lossy = sample.lossShare > LOSS ? this.#lossy + 1 : 0;
    this.#slow = this.#grown(sample.delayMs, nowMs) ? this.#slow + 1 : 0;
    const bad = this.#lossy > 0 || this.#slow > 0;
    if (bad || !(this.#quietSinceMs <= nowMs)) this.#quietSinceMs = nowMs;
    if (sample.lossShare > HEAVY_LOSS || this.#lossy >= LOSS_SAMPLES
        || this.#slow >= GROWTH_SAMPLES) return this.#down(nowMs);
    return this.#up(nowMs);
  }

  /** @param {number | null} delayMs @param {number} nowMs */
  #grown(delayMs, nowMs) {
    if (delayMs === null || !Number.isFinite(delayMs)) return false;
    this.#delays = this.#delays.filter(({ atMs }) => nowMs - atMs < BEST_WITHIN_MS);
    this.#delays.push({ atMs: nowMs, delayMs });
    return delayMs > Math.min(...this.#delays.map((one) => one.delayMs)) + GROWTH_MS;
  }

  /** @param {number} nowMs */
  #down(nowMs) {
    if (this.#level === 0) return 0;
    // It was tried and did not hold: that level is left alone for longer each time.
    if (nowMs - this.#changedMs < TRIAL_MS) {
      this.#waits[this.#level] = Math.min(LONGEST_QUIET_MS, this.#waits[this.#level] * 2);
    }
    return this.#go(this.#level - 1, nowMs);
  }

  /** @param {number} nowMs */
  #up(nowMs) {
    if (nowMs - this.#changedMs > TRIAL_MS) this.#waits[this.#level] = QUIET_MS;
    if (this.#level >= this.#ceiling) return this.#level;
    const wait = this.#waits[this.#level + 1];
    return nowMs - this.#quietSinceMs >= wait ? this.#go(this.#level + 1, nowMs) : this.#level;
  }

  /** @param {number} level @param {number} nowMs */
  #go(level, nowMs) {
    this.#level = level;
    this.#changedMs = nowMs;
    this.#quietSinceMs = NaN;
    this.#lossy = this.#slow = 0;
    this.#delays = [];
    return level;
  }
}

/**
 * Shall the receiver keep its buffer empty? On a link that loses packets it needs one, to wait for
 * those that are sent again.
 */
export class Buffer {
  #lostMs = -Infinity;

  /** @param {Sample | null} sample @param {number} nowMs @returns {0 | null} jitterBufferTarget */
  step(sample, nowMs) {
    if (sample && (sample.lossShare ?? 0) > 0) this.#lostMs = nowMs;
    return nowMs - this.#lostMs < QUIET_MS ? null : 0;
  }
}
