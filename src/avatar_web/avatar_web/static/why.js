// SPDX-License-Identifier: Apache-2.0
// Why the robot does not drive, as the key of a text. Pure; the first reason that holds is said.

/**
 * What is known when a reason is looked for.
 * @typedef {object} Situation
 * @property {boolean} online the socket is open and the robot has greeted
 * @property {number} retryInS seconds until the next attempt
 * @property {import('./estop.js').StopState} eStop
 * @property {string} stopNumber '' when unknown
 * @property {string} role viewer, driver or admin
 * @property {{holder: string | null, mine: boolean, state: string}} lease
 * @property {Record<string, string> | null} motor the values of motor/state, null if silent
 * @property {string} refused the gateway's last word about a command ('' = accepted)
 * @property {string} refusedText the same as a sentence
 * @property {number | null} roundTripMs as the gateway measures it
 * @property {number} maxRoundTripMs what the gateway drives with at most
 * @property {boolean} needsRelease
 * @property {boolean} trackerLost
 * @property {boolean} focused
 * @property {import('./picture/lock.js').Lock | null} picture null: a robot without a camera
 * @property {boolean} resting looking presses nothing; hands still may
 */

/** @typedef {'ok' | 'rest' | 'wait' | 'stop'} Level */
/**
 * `blocks`: nothing may be sent; `silent`: not even zeros.
 * @typedef {{key: string, params: Record<string, string | number>, level: Level,
 *     blocks: boolean, silent: boolean}} Reason
 */

/** Reasons of the motor node for which no command makes sense. @type {Record<string, string>} */
const MOTOR = {
  not_connected: 'why.not_connected',
  state_unwritable: 'why.state_unwritable',
  no_watchdog: 'why.no_watchdog',
  two_publishers: 'why.two_publishers',
};

/** What the gateway says about a command it did not pass on. @type {Record<string, string>} */
const REFUSED = {
  no_lease: 'why.no_lease',
  role: 'why.role',
  link_slow: 'why.link_slow',
  no_answer_yet: 'why.no_answer_yet',
  late: 'why.late',
  waiting_neutral: 'why.let_go',
  bad_command: 'why.bad_command',
};

/** After these a held input must be let go before the next attempt. */
const ASK_RELEASE = new Set(['no_lease', 'role', 'link_slow', 'no_answer_yet', 'waiting_neutral']);

/** The text for a refusal of the gateway. @param {string} code */
export const refusedText = (code) => REFUSED[code] ?? '';

/** @param {string} code of the gateway or the motor node */
export const asksRelease = (code) => ASK_RELEASE.has(code);

/** @param {Situation} now @returns {Reason} */
export function why(now) {
  return blocked(now) ?? refused(now);
}

/** @param {Situation} now @returns {Reason | null} */
function blocked(now) {
  const stop = (/** @type {string} */ key, params = {}, silent = false) =>
    reason(key, params, 'stop', true, silent);
  const wait = (/** @type {string} */ key, params = {}) => reason(key, params, 'wait', true, true);
  if (!now.online) {
    return now.retryInS > 0
      ? stop('why.offline_retry', { seconds: now.retryInS }, true) : wait('why.connecting');
  }
  if (now.eStop === 'pending') return stop('why.stop_pending');
  if (now.eStop === 'latched') {
    return now.stopNumber ? stop('why.stopped', { number: now.stopNumber }) : stop('why.stopped_any');
  }
  if (now.role === 'viewer') return wait(...holderText(now, 'why.viewer'));
  if (!now.lease.mine) return wait(...holderText(now, 'why.nobody'));
  if (!now.motor) return stop('why.motor_silent');
  if (now.motor.commander === 'self_test') return stop('why.self_test', {}, true);
  const key = MOTOR[now.motor.why];
  if (key) return stop(key);
  if (now.eStop === 'unknown') return stop('why.motor_silent');
  if (now.picture?.old && !now.picture.blind) {
    return stop(now.picture.away ? 'why.picture_none' : 'why.picture_old');
  }
  if (!now.focused) return stop('why.no_focus');
  return null;
}

/** @param {Situation} now @param {string} free @returns {[string, Record<string, string>]} */
function holderText(now, free) {
  const name = now.lease.holder;
  if (!name || now.lease.mine) return [free, {}];
  return [now.lease.state === 'away' ? 'why.holder_away' : 'why.someone', { name }];
}

/** @param {Situation} now @returns {Reason} */
function refused(now) {
  const say = (/** @type {string} */ key, params = {}) => reason(key, params, 'stop', false, false);
  const trip = now.roundTripMs;
  if (trip !== null && trip > now.maxRoundTripMs) {
    return say('why.link_slow_ms', { ms: Math.round(trip) });
  }
  if (now.refused === 'link_slow') return say('why.link_slow');
  if (now.needsRelease) return reason('why.let_go', {}, 'wait', false, false);
  if (now.trackerLost) return reason('why.tracker_lost', {}, 'wait', false, false);
  if (now.refused) {
    const key = REFUSED[now.refused];
    return key ? say(key) : say('why.other', { text: now.refusedText || now.refused });
  }
  if (now.resting) return reason('why.resting', {}, 'rest', false, false);
  return reason('why.ready', {}, 'ok', false, false);
}

/**
 * @param {string} key @param {Record<string, string | number>} params @param {Level} level
 * @param {boolean} blocks @param {boolean} silent
 * @returns {Reason}
 */
function reason(key, params, level, blocks, silent) {
  return { key, params, level, blocks, silent };
}
