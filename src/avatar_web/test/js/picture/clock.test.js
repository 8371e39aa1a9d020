// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RobotClock } from '../../../avatar_web/static/picture/clock.js';

test('nothing is known before the first answer', () => {
  const clock = new RobotClock();
  assert.equal(clock.at(0), null);
  assert.equal(clock.errorMs, Infinity);
});

test('the quickest answer decides', () => {
  const clock = new RobotClock();
  clock.heard(1000, 1200, 501_190);  // most of it on the way there: 90 ms wrong
  assert.equal(clock.at(1100), 501_190);
  clock.heard(2000, 2010, 502_005);
  clock.heard(3000, 3300, 503_010);
  assert.equal(clock.at(4000), 504_000);
  assert.equal(clock.errorMs, 5);
});

test('a robot that was started anew has another clock', () => {
  const clock = new RobotClock();
  clock.heard(1000, 1010, 501_005);
  clock.heard(2000, 2400, 777);
  assert.equal(clock.at(2200), 777);
});

test('an old answer no longer counts', () => {
  const clock = new RobotClock();
  clock.heard(1000, 1001, 501_000.5);
  for (let at = 2000; at < 70_000; at += 1000) clock.heard(at, at + 20, 500_010 + at);
  assert.equal(clock.errorMs, 10);
});

test('nonsense is not taken', () => {
  const clock = new RobotClock();
  clock.heard(1000, 900, 5);
  clock.heard(1000, 1010, NaN);
  assert.equal(clock.at(0), null);
});
