// SPDX-License-Identifier: Apache-2.0
// What comes over the link becomes what the page knows; who has to act on it is told.

import { healthOf, signature } from './health.js';

/** @typedef {import('./state.js').RobotState} RobotState */
/** @typedef {Record<string, string>} Values */

/**
 * @param {RobotState} state
 * @param {import('./connection.js').Connection} link
 * @param {{changed: () => void, later: () => void, hello: (hello: any) => void,
 *     lease: (message: any) => void, people: () => void, refused: (code: string) => void,
 *     motor: (before: Values | null, now: Values) => void,
 *     pose: (pose: import('./state.js').Pose) => void, health: () => void, status: (text: string) => void}} on
 *     `changed`: driving may be judged otherwise now; `later`: only what is shown changed
 */
export function feed(state, link, on) {
  link.on('hello', (hello) => {
    state.hello = hello;
    on.hello(hello);
  });
  link.on('up', on.changed);
  link.on('lost', () => {
    state.lost();
    on.changed();
  });
  link.on('down', on.later);
  link.on('lease', on.lease);
  link.on('people', ({ list }) => {
    state.people = list;
    on.people();
    on.later();
  });
  link.on('round_trip', ({ page, gateway }) => {
    state.roundTripMs = page;
    state.gatewayRoundTripMs = gateway;
    on.later();
  });
  link.on('drive', ({ why, msg }) => {
    state.heardDrive(why, msg, performance.now());
    on.refused(why);
    on.changed();
  });
  link.on('status', ({ level, msg }) => {
    // What `drive` says is said in the language of the page already.
    if (level === 'error' && !msg.startsWith('command refused')) on.status(msg);
  });
  subscribe(state, link, on);
}

/**
 * @param {RobotState} state
 * @param {import('./connection.js').Connection} link
 * @param {Parameters<typeof feed>[2]} on
 */
function subscribe(state, link, on) {
  link.subscribe('motor/state', { type: 'diagnostic_msgs/msg/DiagnosticStatus' }, (status) => {
    const now = performance.now();
    const before = state.motor(now);
    state.heardMotor(status, now);
    on.motor(before, state.motor(now) ?? {});
    on.changed();
  });
  link.subscribe('health', { type: 'diagnostic_msgs/msg/DiagnosticStatus' }, (status) => {
    const now = performance.now();
    const before = signature(state.health(now));
    state.heardHealth(healthOf(status), now);
    if (signature(state.health(now)) !== before) on.health();
    on.later();
  });
  link.subscribe('odom', { type: 'nav_msgs/msg/Odometry', throttle_rate: 100 }, (message) => {
    state.heardOdom(message);
    if (state.pose) on.pose(state.pose);
  });
  link.subscribe('battery_state', {
    type: 'sensor_msgs/msg/BatteryState', throttle_rate: 1000,
  }, (message) => {
    state.heardBattery(message);
    on.later();
  });
}
