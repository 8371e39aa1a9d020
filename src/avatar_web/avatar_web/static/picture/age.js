// SPDX-License-Identifier: Apache-2.0
// How old the picture is. Pure. Infinite unless the robot says that it sends its camera and a new
// frame of it arrived: a repeated frame or the card that says "offline" is no picture.

import { stampAge } from './stamp.js';

/** `camera/stream_state` comes each second; after this long it says nothing any more. */
export const STATE_SILENT_MS = 3000;
/** This many stamps one after the other, and the camera is one that writes them. */
const STAMPS_TO_BELIEVE = 3;
/** A stamp that would be older than this, or from the future, is a pattern in the room. */
const OLDEST_STAMP_MS = 60_000;
const FUTURE_MS = 250;
/** The age that is shown is the mean of so many frames: single ones jump about. */
const SHOWN_FRAMES = 10;

/**
 * What was presented.
 * @typedef {object} Frame
 * @property {number} shownMs when, on the page's clock
 * @property {number} width @property {number} height
 * @property {number | null} stampMs what the camera wrote into it, null if nothing
 * @property {number | null} robotMs the robot's clock at `shownMs`, null if not known
 * @property {number | null} pathMs network + jitter buffer + decoder, null if not known
 */

export class PictureAge {
  #live = false;
  #size = '';
  #stateAt = -Infinity;
  /** when the picture on the screen was taken, on the page's clock */
  #bornMs = -Infinity;
  #arrivedMs = -Infinity;
  #stamps = 0;
  /** @type {number[]} */
  #ages = [];

  /**
   * What the robot says about its picture.
   * @param {Record<string, string>} values of camera/stream_state @param {number} nowMs
   */
  heardState({ state, width, height }, nowMs) {
    this.#live = state === 'live';
    this.#size = width && height && width !== '0' ? `${width}x${height}` : '';
    this.#stateAt = nowMs;
    // Another profile: the last picture is as old as it is until the encoder sends the next one.
    if (!this.#live && state !== 'starting') this.gone();
  }

  /** Did the robot say anything of its picture within so long? @param {number} withinMs @param {number} nowMs */
  heardWithin(withinMs, nowMs) {
    return nowMs - this.#stateAt < withinMs;
  }

  /** No picture any more (the player ended, the link is lost): the next one is a new one. */
  gone() {
    this.#bornMs = this.#arrivedMs = -Infinity;
    this.#stamps = 0;
    this.#ages = [];
  }

  /** Does the robot say that it sends its camera? @param {number} nowMs */
  isLive(nowMs) {
    return this.#live && this.heardWithin(STATE_SILENT_MS, nowMs);
  }

  /** Is the age read from the picture itself, or put together from what the browser reports? */
  get measured() {
    return this.#stamps >= STAMPS_TO_BELIEVE;
  }

  /** @param {Frame} frame @returns {boolean} false: no frame of the camera */
  frame(frame) {
    if (!this.isLive(frame.shownMs)) return false;
    if (this.#size && this.#size !== `${frame.width}x${frame.height}`) return false;
    const stamped = this.#stampAge(frame);
    if (stamped === null && this.measured) return false;
    this.#stamps = stamped === null ? 0 : this.#stamps + 1;
    const age = stamped !== null && this.measured ? stamped : frame.pathMs ?? 0;
    this.#bornMs = frame.shownMs - age;
    this.#arrivedMs = frame.shownMs;
    this.#ages.push(age);
    if (this.#ages.length > SHOWN_FRAMES) this.#ages.shift();
    return true;
  }

  /** @param {Frame} frame */
  #stampAge({ stampMs, robotMs }) {
    if (stampMs === null || robotMs === null) return null;
    const age = stampAge(stampMs, robotMs);
    return age > -FUTURE_MS && age < OLDEST_STAMP_MS ? Math.max(0, age) : null;
  }

  /** The age of what is on the screen now [ms]; Infinity: no picture. @param {number} nowMs */
  at(nowMs) {
    return this.heardWithin(STATE_SILENT_MS, nowMs) ? Math.max(0, nowMs - this.#bornMs) : Infinity;
  }

  /**
   * The age to be shown [ms]: while pictures come, how old they are when they appear.
   * @param {number} nowMs @param {number} staleMs no new one for this long: it grows visibly
   */
  shown(nowMs, staleMs) {
    const age = this.at(nowMs);
    if (!Number.isFinite(age) || nowMs - this.#arrivedMs > staleMs) return age;
    return this.#ages.reduce((sum, one) => sum + one, 0) / this.#ages.length;
  }
}
