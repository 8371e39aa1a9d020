// SPDX-License-Identifier: Apache-2.0
// The core of driving on the page: what the inputs ask for becomes one Twist, or silence.
// Pure: time comes in as an argument (milliseconds, monotonic), nothing is sent from here.

/** @typedef {import('./inputs/directions.js').Wish} Wish */
/** @typedef {{linear: {x: number}, angular: {z: number}}} Twist */

/** A command is repeated this often while something is held. */
export const PERIOD_MS = 50;
/** Timers are not exact: a tick that comes this much early still counts. */
const EARLY_MS = 8;
/** Changes of direction go out at once, but not closer together than this. */
const CHANGE_MS = 20;
/** At the end of a drive: this many zeros, then silence. */
export const ZEROS = 3;
/** The page itself stood still for longer than this while driving: let go first. */
export const STALL_MS = 300;
/** Steering trim of 1 percent: this share of the turning limit at full speed. */
const TRIM_SHARE = 0.01;

const clamp = (/** @type {number} */ value) => Math.max(-1, Math.min(1, value));

export class Drive {
  /** @type {Map<string, Wish>} inputs that are held, the newest last */
  #wishes = new Map();
  #limits = { maxSpeedMps: 0, maxTurnRadps: 0 };
  #speed = 1;
  #trim = 0;
  #blocked = true;
  #silent = true;
  #needsRelease = false;
  #zerosLeft = 0;
  /** @type {Twist | null} the command that was sent last, while moving */
  #sent = null;
  #sentAt = -Infinity;
  #steppedAt = -Infinity;

  /** @param {{maxSpeedMps: number, maxTurnRadps: number}} limits what the robot says it can do */
  setLimits(limits) {
    this.#limits = { ...limits };
  }

  /**
   * @param {number} speed share of the limits, 0..1
   * @param {number} trim steering correction while going straight, percent, left positive
   */
  setSpeed(speed, trim = 0) {
    this.#speed = Math.max(0, Math.min(1, speed));
    this.#trim = trim;
  }

  /**
   * An input reports what is held, or null when it was let go.
   * @param {string} source
   * @param {Wish | null} wish
   */
  wish(source, wish) {
    if (wish === null) {
      this.#wishes.delete(source);
      if (this.#wishes.size === 0) this.#needsRelease = false;
      return;
    }
    // An input that was not held before is the newest; one that changes keeps its place.
    this.#wishes.set(source, { ...wish });
  }

  /** Something happened after which a held input must not go on driving: let go once first. */
  interlock() {
    this.#needsRelease = this.#wishes.size > 0;
  }

  /**
   * May this page drive? Becoming free again always asks for a release first.
   * @param {boolean} blocked
   * @param {boolean} silent nothing at all goes out, not even zeros (someone else drives)
   */
  block(blocked, silent = false) {
    if (blocked !== this.#blocked) this.interlock();
    // The robot wants a zero before anything else: a first press should not have to wait for it.
    if (!blocked && this.#blocked && this.#wishes.size === 0) this.#zerosLeft = ZEROS;
    this.#blocked = blocked;
    this.#silent = blocked && silent;
  }

  /** True while a held input is ignored until it is let go. */
  get needsRelease() {
    return this.#needsRelease;
  }

  /** True while a person asks for motion, allowed or not. */
  get held() {
    return this.#wishes.size > 0;
  }

  /** True while commands or the closing zeros still have to go out: keep calling `step`. */
  get busy() {
    return this.#target() !== null || this.#sent !== null || this.#zerosLeft > 0;
  }

  /** What is being asked of the robot right now, or null. @returns {Twist | null} */
  get moving() {
    return this.#sent;
  }

  /**
   * The Twist to send now, or null. Call at each change and every PERIOD_MS while `busy`.
   * @param {number} nowMs
   * @returns {Twist | null}
   */
  step(nowMs) {
    if (this.#sent && nowMs - this.#steppedAt > STALL_MS) this.interlock();
    this.#steppedAt = nowMs;
    const target = this.#target();
    if (target) return this.#move(target, nowMs);
    if (this.#silent) {
      this.#sent = null;
      this.#zerosLeft = 0;
    }
    return this.#settle(nowMs);
  }

  /** @param {Twist} target @param {number} nowMs */
  #move(target, nowMs) {
    const last = this.#sent;
    const changed = last !== null
      && (last.linear.x !== target.linear.x || last.angular.z !== target.angular.z);
    const wait = last === null ? 0 : changed ? CHANGE_MS : PERIOD_MS - EARLY_MS;
    if (nowMs - this.#sentAt < wait) return null;
    this.#sent = target;
    this.#sentAt = nowMs;
    this.#zerosLeft = ZEROS;
    return target;
  }

  /** @param {number} nowMs */
  #settle(nowMs) {
    if (this.#zerosLeft === 0) return null;
    const first = this.#sent !== null;  // the first zero of a release never waits
    if (!first && nowMs - this.#sentAt < PERIOD_MS - EARLY_MS) return null;
    this.#sent = null;
    this.#sentAt = nowMs;
    this.#zerosLeft -= 1;
    return { linear: { x: 0 }, angular: { z: 0 } };
  }

  /** @returns {Twist | null} what the newest held input asks for, if it may drive */
  #target() {
    if (this.#blocked || this.#needsRelease || this.#wishes.size === 0) return null;
    const wish = /** @type {Wish} */ ([...this.#wishes.values()].at(-1));
    if (!Number.isFinite(wish.forward) || !Number.isFinite(wish.turn)) return null;
    const forward = clamp(wish.forward);
    let turn = clamp(wish.turn);
    if (forward === 0 && turn === 0) return null;
    if (turn === 0) turn = clamp(this.#trim * TRIM_SHARE) * forward;
    const share = Math.min(this.#speed, wish.limit ?? 1);
    return {
      linear: { x: forward * share * this.#limits.maxSpeedMps },
      angular: { z: turn * share * this.#limits.maxTurnRadps },
    };
  }
}
