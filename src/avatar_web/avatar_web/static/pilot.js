// SPDX-License-Identifier: Apache-2.0
// The hand on the robot: gives what the inputs want to the core and the core's Twists to the link.

import { Drive, PERIOD_MS } from './drive.js';
import { asksRelease } from './why.js';

/** @typedef {import('./inputs/directions.js').Wish} Wish */
/** @typedef {import('./drive.js').Twist} Twist */

export class Pilot {
  #drive = new Drive();
  #connection;
  #changed;
  /** @type {ReturnType<typeof setInterval> | null} */
  #timer = null;
  /** @type {(() => void)[]} */
  #cancels = [];
  #waited = false;

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {() => void} changed called when what is said about driving may have changed
   */
  constructor(connection, changed) {
    this.#connection = connection;
    this.#changed = changed;
  }

  get needsRelease() {
    return this.#drive.needsRelease;
  }

  get held() {
    return this.#drive.held;
  }

  get moving() {
    return this.#drive.moving;
  }

  /** Inputs that run by themselves (a step, a click) are ended by every interlock. @param {() => void} cancel */
  onInterlock(cancel) {
    this.#cancels.push(cancel);
  }

  /** @param {{maxSpeedMps: number, maxTurnRadps: number}} limits */
  setLimits(limits) {
    this.#drive.setLimits(limits);
  }

  /** @param {number} speed 0..1 @param {number} trim percent */
  setSpeed(speed, trim) {
    this.#drive.setSpeed(speed, trim);
    this.#step();
  }

  /**
   * @param {string} source
   * @param {Wish | null} wish
   * @param {boolean} stale it was held before anybody looked: not one command may go out
   */
  wish(source, wish, stale = false) {
    this.#drive.wish(source, wish);
    if (stale) this.#drive.interlock();
    this.#step();
  }

  /** Whatever is held must be let go before it drives again; the robot stops now. */
  interlock() {
    this.#drive.interlock();
    this.#step();
  }

  /** @param {boolean} blocked @param {boolean} silent */
  block(blocked, silent) {
    this.#drive.block(blocked, silent);
    this.#step();
  }

  /** The gateway did not take a command. @param {string} code '' = taken again */
  refused(code) {
    if (asksRelease(code) && this.#drive.held) this.interlock();
  }

  #step() {
    const twist = this.#drive.step(performance.now());
    if (twist) this.#send(twist);
    if (this.#drive.busy && this.#timer === null) {
      this.#timer = setInterval(() => this.#step(), PERIOD_MS);
    } else if (!this.#drive.busy && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    const waits = this.#drive.needsRelease;
    if (waits !== this.#waited) {
      this.#waited = waits;
      if (waits) for (const cancel of this.#cancels) cancel();
    }
    this.#changed();
  }

  /** @param {Twist} msg */
  #send(msg) {
    const zero = msg.linear.x === 0 && msg.angular.z === 0;
    // What waits in the browser arrives late; a zero is welcome at any time.
    if (this.#connection.congested && !zero) return;
    this.#connection.send({ op: 'publish', topic: 'cmd_vel', msg });
  }
}
