// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { takesFromSomebody } from '../../avatar_web/static/views/lease.js';
import { MOTOR_SILENT_MS, RobotState, headingOf } from '../../avatar_web/static/state.js';

test('motor/state is known for a while, then it is silent', () => {
  const state = new RobotState();
  assert.equal(state.motor(0), null);
  state.heardMotor({ message: 'Ready.', values: [{ key: 'connected', value: 'true' }] }, 100);
  assert.deepEqual(state.motor(200), { connected: 'true' });
  assert.equal(state.motor(100 + MOTOR_SILENT_MS), null);
});

test('the loser of a lease is told who has it now', () => {
  const state = new RobotState();
  assert.equal(state.tookLease({ holder: 'Ana', mine: true, state: 'held' }).lost, false);
  assert.deepEqual(state.tookLease({ holder: 'Maria', mine: false, state: 'held' }),
    { lost: true, to: 'Maria' });
  assert.equal(state.tookLease({ holder: null, mine: false, state: 'free' }).lost, false);
});

test('a refusal is said while it is tried and a moment longer, and comes back with the next try', () => {
  const state = new RobotState();
  state.heardDrive('link_slow', 'slow', 0);
  assert.equal(state.refusal(false, 1000).code, 'link_slow');
  assert.equal(state.refusal(true, 9000).code, 'link_slow');
  assert.equal(state.refusal(false, 12000).code, 'link_slow');
  assert.equal(state.refusal(false, 20000).code, '');
  assert.equal(state.refusal(true, 30000).code, 'link_slow');
  state.heardDrive('', '', 31000);
  assert.equal(state.refusal(true, 31000).code, '');
});

test('only another person is asked about before control is taken', () => {
  const hello = { name: 'Ana', role: 'driver', session: 's1', robot: '' };
  const lease = { holder: 'Maria', session: 's2', mine: false, state: 'held' };
  assert.equal(takesFromSomebody({ hello, lease }), true);
  assert.equal(takesFromSomebody({ hello, lease: { ...lease, state: 'away' } }), true);
  assert.equal(takesFromSomebody({ hello, lease: { ...lease, holder: 'Ana' } }), true);
  assert.equal(takesFromSomebody({ hello, lease: { ...lease, holder: 'Ana', state: 'away' } }), false);
  assert.equal(takesFromSomebody({ hello, lease: { ...lease, holder: 'Ana', session: 's1' } }), false);
  assert.equal(takesFromSomebody({ hello, lease: { holder: null } }), false);
});

test('a lost link leaves nothing that could be taken for the present', () => {
  const state = new RobotState();
  state.tookLease({ holder: 'Ana', mine: true, state: 'held' });
  state.heardMotor({ values: [] }, 0);
  state.roundTripMs = 5;
  state.lost();
  assert.equal(state.lease.mine, false);
  assert.equal(state.motor(1), null);
  assert.equal(state.roundTripMs, null);
});

test('battery: per cent or volts, and nothing where the board reports none', () => {
  const state = new RobotState();
  state.heardBattery({ percentage: 0.42, voltage: 11.5, present: true });
  assert.deepEqual(state.battery, { percent: 42, volts: 11.5 });
  state.heardBattery({ percentage: null, voltage: 11.5, present: true });  // NaN is null in JSON
  assert.deepEqual(state.battery, { percent: null, volts: 11.5 });
  state.heardBattery({ percentage: null, voltage: null, present: false });
  assert.equal(state.battery, null);
});

test('odometry: place and heading', () => {
  const state = new RobotState();
  const half = Math.PI / 4;
  state.heardOdom({ pose: { pose: { position: { x: 1, y: 2, z: 0 },
    orientation: { x: 0, y: 0, z: Math.sin(half), w: Math.cos(half) } } } });
  assert.equal(state.pose.x, 1);
  assert.ok(Math.abs(state.pose.heading - Math.PI / 2) < 1e-9);
  assert.equal(headingOf({ x: 0, y: 0, z: 0, w: 1 }), 0);
});
