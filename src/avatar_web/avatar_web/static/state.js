// SPDX-License-Identifier: Apache-2.0
// What the page knows of the robot, from the messages it got. Pure: time comes in as milliseconds.

/** A refusal is said for this long after the last attempt. */
const REFUSED_MS = 4000;
/** `motor/state` comes each second; after this it says nothing any more. */
export const MOTOR_SILENT_MS = 3000;
/** `health` comes every two seconds. */
export const HEALTH_SILENT_MS = 10000;

/** @typedef {{name: string, role: string, session: string}} Person */
/** @typedef {{holder: string | null, session: string | null, mine: boolean, state: string, allow_cmd_vel: boolean}} Lease */
/** @typedef {{x: number, y: number, heading: number}} Pose */

/** @returns {Lease} */
const noLease = () => ({
  holder: null, session: null, mine: false, state: 'free', allow_cmd_vel: false,
});

/** @returns {{code: string, text: string, atMs: number}} */
const accepted = () => ({ code: '', text: '', atMs: -Infinity });

/**
 * The heading of a rotation about z, radians, left positive.
 * @param {{x: number, y: number, z: number, w: number}} q
 */
export function headingOf(q) {
  return Math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z));
}

/**
 * The values of a DiagnosticStatus as an object.
 * @param {{values?: {key: string, value: string}[], message?: string}} status
 * @returns {Record<string, string>}
 */
export function valuesOf(status) {
  return Object.fromEntries((status.values ?? []).map(({ key, value }) => [key, value]));
}

export class RobotState {
  /** @type {{name: string, role: string, session: string, robot: string, deadlines?: any} | null} */
  hello = null;
  lease = noLease();
  /** @type {Person[]} */
  people = [];
  refused = accepted();
  /** @type {number | null} as this page measures it */
  roundTripMs = null;
  /** @type {number | null} as the gateway measures it, which judges by that */
  gatewayRoundTripMs = null;
  /** @type {{percent: number | null, volts: number | null} | null} */
  battery = null;
  /** @type {Pose | null} */
  pose = null;
  /** @type {import('./health.js').Health | null} */
  #health = null;
  #healthAt = -Infinity;
  /** @type {{values: Record<string, string>, text: string} | null} */
  #motor = null;
  #motorAt = -Infinity;

  /** The link is gone: nothing of what was known is known any more. */
  lost() {
    this.lease = noLease();
    this.people = [];
    this.refused = accepted();
    this.roundTripMs = this.gatewayRoundTripMs = null;
    this.#motor = this.#health = null;
  }

  /** @param {import('./health.js').Health} health @param {number} nowMs */
  heardHealth(health, nowMs) {
    this.#health = health;
    this.#healthAt = nowMs;
  }

  /** How the robot says it is, null when nobody says it. @param {number} nowMs */
  health(nowMs) {
    return nowMs - this.#healthAt < HEALTH_SILENT_MS ? this.#health : null;
  }

  /**
   * Somebody else has the lease that was ours, or it ended.
   * @param {any} message
   * @returns {{lost: boolean, to: string | null}} `lost`: it was ours until now
   */
  tookLease(message) {
    const before = this.lease;
    this.lease = { ...noLease(), ...message };
    const lost = before.mine && !this.lease.mine;
    if (before.mine !== this.lease.mine) this.refused = accepted();
    return { lost, to: this.lease.holder };
  }

  /**
   * What the gateway says about our commands; it says so once, so it holds until it says otherwise.
   * @param {string} code '' = accepted @param {string} text @param {number} nowMs
   */
  heardDrive(code, text, nowMs) {
    this.refused = { code, text, atMs: nowMs };
  }

  /** The refusal to speak of: it is still tried, or was a moment ago. @param {boolean} held @param {number} nowMs */
  refusal(held, nowMs) {
    if (held) this.refused.atMs = Math.max(this.refused.atMs, nowMs);
    return nowMs - this.refused.atMs < REFUSED_MS ? this.refused : accepted();
  }

  /** @param {any} status motor/state @param {number} nowMs */
  heardMotor(status, nowMs) {
    this.#motor = { values: valuesOf(status), text: status.message ?? '' };
    this.#motorAt = nowMs;
  }

  /** The number of the emergency stop that holds, '' while it is not known. @param {number} nowMs */
  stopNumber(nowMs) {
    const motor = this.motor(nowMs);
    return motor?.e_stop === 'true' ? motor.stop_number ?? '' : '';
  }

  /** The values of motor/state, null when it is silent. @param {number} nowMs */
  motor(nowMs) {
    return nowMs - this.#motorAt < MOTOR_SILENT_MS ? this.#motor?.values ?? null : null;
  }

  /** @param {any} message sensor_msgs/BatteryState */
  heardBattery(message) {
    const share = message.percentage;
    const volts = message.voltage;
    const percent = typeof share === 'number' && share >= 0 ? Math.min(100, share * 100) : null;
    const known = typeof volts === 'number' && volts > 0 && message.present !== false;
    this.battery = known || percent !== null ? { percent, volts: known ? volts : null } : null;
  }

  /** @param {any} message nav_msgs/Odometry */
  heardOdom(message) {
    const { position, orientation } = message.pose.pose;
    this.pose = { x: position.x, y: position.y, heading: headingOf(orientation) };
  }
}
