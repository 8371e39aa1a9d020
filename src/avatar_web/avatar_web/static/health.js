// SPDX-License-Identifier: Apache-2.0
// What the robot says of its own health, as texts of the page. Pure.

import { valuesOf } from './state.js';

/** Longer words of the robot (a log line, a command line) are cut. */
const LONGEST_DETAIL = 200;

/**
 * @typedef {{code: string, part: string, state: string, text: string, since: number,
 *     values: Record<string, string | number>}} Finding
 * @typedef {Finding & {came: boolean, now: string, at: number}} Change
 * @typedef {{state: string, findings: Finding[]}} Health
 * @typedef {'good' | 'fair' | 'bad'} Level
 */

/** What is wrong, and what to do next, of each code. @type {Record<string, [string, string]>} */
const TEXT = {
  battery_empty: ['health.battery_empty', 'mend.battery_empty'],
  battery_low: ['health.battery_low', 'mend.battery_low'],
  board_denied: ['health.board_denied', 'mend.board_denied'],
  board_held: ['health.board_held', 'mend.board_held'],
  board_missing: ['health.board_missing', 'mend.board_missing'],
  board_no_answer: ['health.board_no_answer', 'mend.board_no_answer'],
  board_unclear: ['health.board_unclear', 'mend.board_unclear'],
  board_unsafe: ['health.board_unsafe', 'mend.board_unsafe'],
  camera_held: ['health.camera_held', 'mend.camera_held'],
  camera_missing: ['health.camera_missing', 'mend.camera_missing'],
  camera_silent: ['health.camera_silent', 'mend.camera_silent'],
  camera_unusable: ['health.camera_unusable', 'mend.camera_unusable'],
  clock_unsynchronised: ['health.clock_unsynchronised', 'mend.clock_unsynchronised'],
  clock_wrong: ['health.clock_wrong', 'mend.clock_wrong'],
  disk_full: ['health.disk_full', 'mend.disk_full'],
  disk_low: ['health.disk_low', 'mend.disk_low'],
  encoder_failed: ['health.encoder_failed', 'mend.encoder_failed'],
  ffmpeg_missing: ['health.ffmpeg_missing', 'mend.ffmpeg_missing'],
  gateway_silent: ['health.gateway_silent', 'mend.gateway_silent'],
  hot: ['health.hot', 'mend.hot'],
  link_down: ['health.link_down', 'mend.link_down'],
  media_server_refuses: ['health.media_server_refuses', 'mend.media_server_refuses'],
  media_server_silent: ['health.media_server_silent', 'mend.media_server_silent'],
  memory_low: ['health.memory_low', 'mend.memory_low'],
  modem_down: ['health.modem_down', 'mend.modem_down'],
  motor_hung: ['health.motor_hung', 'mend.motor_hung'],
  motor_silent: ['health.motor_silent', 'mend.motor_silent'],
  overloaded: ['health.overloaded', 'mend.overloaded'],
  part_given_up: ['health.part_given_up', 'mend.part_given_up'],
  part_held: ['health.part_held', 'mend.part_held'],
  part_lost: ['health.part_lost', 'mend.part_lost'],
  part_restarting: ['health.part_restarting', 'mend.part_restarting'],
  starting: ['health.starting', 'mend.starting'],
  state_unwritable: ['health.state_unwritable', 'mend.state_unwritable'],
  stream_silent: ['health.stream_silent', 'mend.stream_silent'],
  throttled: ['health.throttled', 'mend.throttled'],
  two_gateways: ['health.two_gateways', 'mend.two_gateways'],
  undervoltage: ['health.undervoltage', 'mend.undervoltage'],
};

/** @type {Record<string, {level: Level, key: string}>} */
const STATES = {
  READY: { level: 'good', key: 'state.ready' },
  DEGRADED: { level: 'fair', key: 'state.degraded' },
  STOPPED: { level: 'bad', key: 'state.stopped' },
};

/** The codes that have texts; a test compares them with the robot's. */
export const CODES = Object.keys(TEXT);

/** @param {string} state @returns {{level: Level, key: string}} */
export const stateText = (state) => STATES[state] ?? { level: 'fair', key: 'state.unknown' };

/** @param {any} status diagnostic_msgs/DiagnosticStatus of the topic `health` @returns {Health} */
export function healthOf(status) {
  const values = valuesOf(status);
  let findings;
  try {
    findings = JSON.parse(values.findings ?? '[]');
  } catch {
    findings = [];
  }
  return { state: values.state ?? '', findings: Array.isArray(findings) ? findings : [] };
}

/**
 * The keys of a finding's sentences; a code this page does not know is said as the robot says it.
 * @param {Finding} finding
 * @returns {{key: string, params: Record<string, string | number>, mend: string, detail: string}}
 */
export function findingText({ code, part, text, values = {} }) {
  const [key, mend] = TEXT[code] ?? ['status.error', ''];
  const detail = String(values.reason || values.words || values.next_step || '').slice(0, LONGEST_DETAIL);
  return { key, mend, detail, params: { part, text, ...values } };
}

/** What a change of the findings would look like. @param {Health | null} health */
export const signature = (health) => health === null ? ''
  : [health.state, ...health.findings.map(({ code, part }) => `${code}/${part}`)].join(' ');
