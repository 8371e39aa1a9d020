// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Dwell, LOCK_MS, STOP_TOTAL_MS } from '../../avatar_web/static/dwell.js';
import { mayDwell } from '../../avatar_web/static/dwell_pointer.js';

const make = (dwellMs = 800) => new Dwell(() => ({ lockMs: 150, dwellMs }));

/** Look at one target from..to, each 16 ms; when it fired. */
function look(dwell, target, from, to) {
  for (let now = from; now <= to; now += 16) {
    if (dwell.update(target, now).fired !== null) return now;
  }
  return null;
}

test('locks on, then counts, then fires once', () => {
  const dwell = make();
  dwell.update('a', 0);
  assert.deepEqual(dwell.at(100), { phase: 'lock', progress: 0 });
  assert.equal(dwell.at(550).phase, 'dwell');
  assert.equal(dwell.at(550).progress, 0.5);
  const fired = look(dwell, 'a', 16, 3000);
  assert.ok(fired >= 950 && fired < 970, `fired at ${fired} ms`);
  assert.equal(dwell.at(2000).phase, 'done');
  assert.equal(look(dwell, 'a', fired + 16, 9000), null);
});

test('looking away starts anew, and says what was left', () => {
  const dwell = make();
  look(dwell, 'a', 0, 900);
  assert.deepEqual(dwell.update('b', 916), { fired: null, left: 'a' });
  assert.equal(look(dwell, 'a', 932, 932 + 900), null);
  assert.deepEqual(dwell.update(null, 1900), { fired: null, left: 'a' });
  assert.equal(dwell.at(1900).phase, 'idle');
});

test('a page that stood still does not press what it did not see', () => {
  const dwell = make();
  dwell.update('a', 0);
  assert.equal(dwell.update('a', 5000).fired, null);
  assert.equal(dwell.at(5000).phase, 'lock');
});

test('after an interlock what is looked at must be left first', () => {
  const dwell = make();
  look(dwell, 'a', 0, 500);
  dwell.spend();
  assert.equal(look(dwell, 'a', 516, 5000), null);
  dwell.update(null, 5016);
  assert.ok(look(dwell, 'a', 5032, 7000));
});

test('the emergency stop takes at most half a second, settling included', () => {
  assert.ok(STOP_TOTAL_MS <= 500);
  assert.ok(LOCK_MS < STOP_TOTAL_MS);
});

test('rest switches everything off but itself and the emergency stop', () => {
  const stop = { isStop: true, isRest: false, isPad: false };
  const rest = { isStop: false, isRest: true, isPad: false };
  const pad = { isStop: false, isRest: false, isPad: true };
  const other = { isStop: false, isRest: false, isPad: false };
  const state = (on, resting, pads) => ({ on, resting, pads });
  for (const what of [stop, rest, pad, other]) assert.equal(mayDwell(state(false, false, false), what), false);
  for (const what of [stop, rest, pad, other]) assert.equal(mayDwell(state(true, false, true), what), true);
  assert.equal(mayDwell(state(true, false, false), pad), false, 'pads for holding are not for looking');
  assert.equal(mayDwell(state(true, true, true), stop), true);
  assert.equal(mayDwell(state(true, true, true), rest), true);
  assert.equal(mayDwell(state(true, true, true), pad), false);
  assert.equal(mayDwell(state(true, true, true), other), false);
});
test('who can only look has a way in: the button of the gaze, even while looking is off', () => {
  const wayIn = { isStop: false, isRest: false, isPad: false, isWayIn: true };
  const off = { on: false, resting: false, pads: false };
  assert.equal(mayDwell(off, wayIn), true);
  assert.equal(mayDwell({ ...off, on: true, resting: true }, wayIn), false, 'resting is resting');
});

