// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EStop, RETRY_MS } from '../../avatar_web/static/estop.js';

test('a press goes out at once, again each half second, until e_stop says so', () => {
  const stop = new EStop();
  stop.heard(false);
  assert.equal(stop.state, 'clear');
  stop.press();
  assert.equal(stop.state, 'pending');
  assert.equal(stop.step(0), true);
  assert.equal(stop.step(RETRY_MS - 1), false);
  assert.equal(stop.step(RETRY_MS), true);
  stop.answered();
  assert.equal(stop.state, 'pending', 'an answer alone confirms nothing');
  stop.heard(false);
  assert.equal(stop.state, 'pending', 'an old word confirms nothing');
  assert.equal(stop.step(2 * RETRY_MS), true);
  stop.heard(true);
  assert.equal(stop.state, 'latched');
  assert.equal(stop.step(3 * RETRY_MS), false);
});

test('pressed while latched: the answer confirms', () => {
  const stop = new EStop();
  stop.heard(true);
  stop.press();
  assert.equal(stop.state, 'pending');
  assert.equal(stop.step(0), true);
  stop.answered();
  assert.equal(stop.state, 'latched');
});

test('each press goes out at once', () => {
  const stop = new EStop();
  stop.press();
  stop.step(0);
  stop.press();
  assert.equal(stop.step(10), true);
});

test('a lost link forgets what was known, but a press is still owed', () => {
  const stop = new EStop();
  stop.heard(true);
  stop.lost();
  assert.equal(stop.state, 'unknown');
  stop.press();
  stop.step(0);
  stop.lost();
  assert.equal(stop.state, 'pending');
  assert.equal(stop.step(RETRY_MS), true);
  stop.heard(true);
  assert.equal(stop.state, 'latched');
});
