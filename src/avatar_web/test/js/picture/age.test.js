// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { PictureAge } from '../../../avatar_web/static/picture/age.js';

const LIVE = { state: 'live', width: '854', height: '480' };
/** The robot's clock is this much ahead of the page's. */
const AHEAD = 1_000_000;

let age;
let now;

beforeEach(() => {
  age = new PictureAge();
  now = 50_000;
  age.heardState(LIVE, now);
});

/** A frame that was taken `old` ms before it is shown. */
function frame(old, more = {}) {
  return age.frame({
    shownMs: now, width: 854, height: 480, pathMs: 30, robotMs: now + AHEAD,
    stampMs: old === null ? null : now + AHEAD - old, ...more,
  });
}

/** So many frames, 50 ms apart. */
function frames(count, old) {
  for (let i = 0; i < count; i += 1) {
    now += 50;
    if (i % 20 === 0) age.heardState(LIVE, now);
    frame(old);
  }
}

test('no frame, no picture', () => {
  assert.equal(age.at(now), Infinity);
});

test('the age is read from the stamp', () => {
  frames(5, 70);
  assert.equal(age.measured, true);
  assert.equal(age.at(now), 70);
  assert.equal(age.at(now + 100), 170);
});

test('one stamp may be a pattern in the room', () => {
  frames(1, 900);
  assert.equal(age.measured, false);
  assert.equal(age.at(now), 30, 'what the browser says');
  frames(1, null);
  frames(2, 900);
  assert.equal(age.measured, false);
  frames(1, 900);
  assert.equal(age.measured, true);
});

test('a camera that froze: its picture ages although frames come', () => {
  frames(5, 70);
  const stampMs = now + AHEAD - 70;
  for (let i = 0; i < 20; i += 1) {
    now += 50;
    frame(null, { stampMs });
  }
  assert.equal(age.at(now), 1070);
});

test('a frame without a stamp is none of a camera that stamps: the offline card', () => {
  frames(5, 70);
  now += 50;
  assert.equal(frame(null), false);
  assert.equal(age.at(now), 120);
});

test('without stamps it is network, jitter buffer and decoder', () => {
  frames(5, null);
  assert.equal(age.measured, false);
  assert.equal(age.at(now + 10), 40);
  now += 50;
  frame(null, { pathMs: null });
  assert.equal(age.at(now), 0, 'nothing known: the time since it came');
});

test('a stamp cannot be used while the clock is not known', () => {
  for (let i = 0; i < 5; i += 1) frame(null, { stampMs: 12_345, robotMs: null });
  assert.equal(age.measured, false);
  assert.equal(age.at(now), 30);
});

test('a stamp from the future or from yesterday is not believed', () => {
  for (const old of [-300, 70_000]) {
    for (let i = 0; i < 5; i += 1) frame(old);
    assert.equal(age.measured, false);
  }
  age.gone();
  for (let i = 0; i < 5; i += 1) frame(-4);  // the clocks are known to some milliseconds
  assert.equal(age.at(now), 0);
});

for (const state of ['off', 'stalled', undefined]) {
  test(`"${state}" is no picture, whatever arrives`, () => {
    frames(5, 70);
    age.heardState({ ...LIVE, state }, now);
    assert.equal(age.at(now), Infinity);
    assert.equal(frame(70), false);
    age.heardState(LIVE, now);
    assert.equal(age.at(now), Infinity, 'live again: not before a new frame');
    frame(70);
    assert.equal(age.at(now) < 100, true);
  });
}

test('another profile: the last picture goes on ageing, what comes meanwhile is none', () => {
  frames(5, 70);
  age.heardState({ ...LIVE, state: 'starting', width: '0' }, now);
  now += 300;
  assert.equal(frame(10), false);
  assert.equal(age.at(now), 370);
  age.heardState({ state: 'live', width: '640', height: '360' }, now);
  assert.equal(frame(10), false, 'still one of the old size');
  frame(40, { width: 640, height: 360 });
  assert.equal(age.at(now), 40);
});

test('a robot that says nothing any more sends no picture', () => {
  frames(5, 70);
  now += 3001;
  assert.equal(age.at(now), Infinity);
});

test('a frame of another size is the offline card', () => {
  assert.equal(frame(null, { width: 1920, height: 1080 }), false);
  assert.equal(age.at(now), Infinity);
  age.heardState({ state: 'live' }, now);  // a size that is not told forbids nothing
  assert.equal(frame(null, { width: 1920, height: 1080 }), true);
});

test('what is shown is a mean while pictures come, and grows when they stop', () => {
  for (const old of [40, 60, 50, 70, 80]) frames(1, old);
  frames(10, 60);
  assert.equal(age.shown(now, 500), 60);
  assert.equal(age.shown(now + 400, 500), 60);
  assert.equal(age.shown(now + 600, 500), 660);
  age.gone();
  assert.equal(age.shown(now, 500), Infinity);
});
