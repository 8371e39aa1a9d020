// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Drive, PERIOD_MS, STALL_MS, ZEROS } from '../../avatar_web/static/drive.js';

const FORWARD = { forward: 1, turn: 0 };
const isZero = (twist) => twist.linear.x === 0 && twist.angular.z === 0;

function ready() {
  const drive = new Drive();
  drive.setLimits({ maxSpeedMps: 0.5, maxTurnRadps: 1.5 });
  drive.block(false);
  for (let now = -1000; now < 0; now += 50) drive.step(now);  // the zeros of becoming free
  return drive;
}

/** Step every millisecond; what was sent, with its time. */
function run(drive, fromMs, toMs) {
  const sent = [];
  for (let now = fromMs; now < toMs; now += 1) {
    const twist = drive.step(now);
    if (twist) sent.push({ now, twist });
  }
  return sent;
}

test('held: at once, then about 20 times a second', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  const first = drive.step(1000);
  assert.deepEqual(first, { linear: { x: 0.5 }, angular: { z: 0 } });
  const sent = run(drive, 1001, 2000);
  assert.ok(sent.length >= 18 && sent.length <= 24, `${sent.length} commands in a second`);
});

test('released: the first zero at once, three in all, then silence', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  run(drive, 0, 210);
  drive.wish('keyboard', null);
  const sent = run(drive, 210, 1000);
  assert.equal(sent.length, ZEROS);
  assert.ok(sent.every(({ twist }) => isZero(twist)));
  assert.equal(sent[0].now, 210);
  assert.ok(sent[2].now - sent[0].now <= 2 * PERIOD_MS);
  assert.equal(drive.busy, false);
});

test('a change of direction does not wait for the next period', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  run(drive, 0, 101);
  drive.wish('keyboard', { forward: 0, turn: 1 });
  const sent = run(drive, 101, 125);
  assert.deepEqual(sent[0]?.twist, { linear: { x: 0 }, angular: { z: 1.5 } });
});

test('blocked: nothing goes out, and a held input must be let go when it ends', () => {
  const drive = ready();
  drive.block(true);
  drive.wish('keyboard', FORWARD);
  assert.deepEqual(run(drive, 0, 200), []);
  drive.block(false);
  assert.deepEqual(run(drive, 200, 400), []);
  assert.equal(drive.needsRelease, true);
  drive.wish('keyboard', null);
  drive.wish('keyboard', FORWARD);
  assert.equal(run(drive, 400, 440).length, 1);
});

test('becoming free with nothing held says so with zeros, so that the first press counts', () => {
  const drive = new Drive();
  assert.deepEqual(run(drive, 0, 200), []);
  drive.block(false);
  const sent = run(drive, 200, 1000);
  assert.equal(sent.length, ZEROS);
  assert.ok(sent.every(({ twist }) => isZero(twist)));
});

test('becoming blocked while driving stops, with zeros where they are welcome', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  run(drive, 0, 100);
  drive.block(true, false);
  assert.ok(run(drive, 100, 400).every(({ twist }) => isZero(twist)));
  assert.equal(drive.moving, null);
});

test('becoming blocked because somebody else drives is silent at once', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  run(drive, 0, 100);
  drive.block(true, true);
  assert.deepEqual(run(drive, 100, 400), []);
  assert.equal(drive.busy, false);
});

test('after an interlock every input has to be let go, whichever was held', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  drive.wish('pads', FORWARD);
  run(drive, 0, 100);
  drive.interlock();
  const sent = run(drive, 100, 400);
  assert.equal(sent.length, ZEROS);
  drive.wish('keyboard', null);
  assert.deepEqual(run(drive, 400, 500), []);  // the finger is still down
  drive.wish('keyboard', FORWARD);
  assert.deepEqual(run(drive, 500, 600), []);
  drive.wish('keyboard', null);
  drive.wish('pads', null);
  drive.wish('keyboard', FORWARD);
  assert.equal(drive.step(600).linear.x, 0.5);
});

test('an interlock with nothing held asks for nothing', () => {
  const drive = ready();
  drive.interlock();
  assert.equal(drive.needsRelease, false);
  drive.wish('pads', FORWARD);
  assert.ok(drive.step(0));
});

test('the newest input counts, and letting it go falls back to the older one', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  drive.step(0);
  drive.wish('pads', { forward: -1, turn: 0 });
  assert.equal(drive.step(100).linear.x, -0.5);
  drive.wish('keyboard', { forward: 1, turn: 0.5 });  // a change makes it no newer
  assert.equal(drive.step(200).linear.x, -0.5);
  drive.wish('pads', null);
  assert.equal(drive.step(300).linear.x, 0.5);
});

test('speed, an input\'s own limit, and trim scale the command', () => {
  const drive = ready();
  drive.setSpeed(0.4, 10);
  drive.wish('gaze', { forward: 1, turn: 0, limit: 0.2 });
  const twist = drive.step(0);
  assert.ok(Math.abs(twist.linear.x - 0.1) < 1e-9);
  assert.ok(Math.abs(twist.angular.z - 0.1 * 0.2 * 1.5) < 1e-9, 'left trim, straight only');
  drive.wish('gaze', { forward: -1, turn: 0, limit: 0.9 });
  const back = drive.step(100);
  assert.ok(Math.abs(back.linear.x + 0.2) < 1e-9, 'the slider caps the input');
  assert.ok(back.angular.z < 0, 'backwards the weaker track errs the other way');
  drive.wish('gaze', { forward: 1, turn: 0.5 });
  assert.ok(Math.abs(drive.step(200).angular.z - 0.5 * 0.4 * 1.5) < 1e-9, 'no trim in a turn');
});

test('a page that stood still while driving wants a release', () => {
  const drive = ready();
  drive.wish('keyboard', FORWARD);
  run(drive, 0, 100);
  const late = drive.step(100 + STALL_MS + 1);
  assert.ok(isZero(late));
  assert.equal(drive.needsRelease, true);
  assert.ok(run(drive, 1000, 1300).every(({ twist }) => isZero(twist)));
});

test('nothing that is not a finite wish moves anything', () => {
  for (const forward of [NaN, Infinity, undefined, 'x', null]) {
    const drive = ready();
    drive.wish('x', { forward, turn: 0 });
    assert.equal(drive.step(0), null, String(forward));
  }
  const drive = ready();
  drive.wish('x', { forward: 1e308, turn: -7 });
  assert.deepEqual(drive.step(0), { linear: { x: 0.5 }, angular: { z: -1.5 } });
});

test('without limits from the robot nothing can move', () => {
  const drive = new Drive();
  drive.block(false);
  drive.wish('x', FORWARD);
  assert.ok(isZero(drive.step(0) ?? { linear: { x: 0 }, angular: { z: 0 } }));
});

test('random events: never a movement while blocked or before a release', () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648;
  };
  const drive = ready();
  const held = new Set();
  let blocked = false;
  let mustRelease = false;
  for (let now = 0; now < 200000; now += 10) {
    const dice = random();
    const source = ['keyboard', 'pads', 'gaze'][Math.floor(random() * 3)];
    if (dice < 0.1) {
      held.add(source);
      drive.wish(source, { forward: random() * 2 - 1, turn: random() * 2 - 1 });
    } else if (dice < 0.2) {
      held.delete(source);
      drive.wish(source, null);
      if (held.size === 0) mustRelease = false;
    } else if (dice < 0.22) {
      drive.interlock();
      mustRelease = held.size > 0;
    } else if (dice < 0.25) {
      const next = random() < 0.3;
      if (next !== blocked) mustRelease = held.size > 0;
      blocked = next;
      drive.block(blocked, random() < 0.5);
    }
    const twist = drive.step(now);
    if (twist && !isZero(twist)) {
      assert.ok(!blocked && !mustRelease && held.size > 0, `moved at ${now} ms`);
    }
  }
});
