// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClickClick } from '../../avatar_web/static/inputs/clickclick.js';
import { DIAGONAL_TURN, PADS, combine, padWish } from '../../avatar_web/static/inputs/directions.js';
import { gamepadStop, gamepadWish } from '../../avatar_web/static/inputs/gamepad.js';
import { Hover } from '../../avatar_web/static/inputs/hover.js';
import { LONGEST_MS, NUDGE_LIMIT, Nudge, nudgeMs } from '../../avatar_web/static/inputs/nudge.js';
import { Pads } from '../../avatar_web/static/inputs/pads.js';
import { beyond, stickWish } from '../../avatar_web/static/inputs/stick.js';

const LIMITS = { maxSpeedMps: 0.5, maxTurnRadps: 1.5 };

test('directions: opposite ones cancel, diagonals keep the inner track moving', () => {
  assert.deepEqual(combine([]), { forward: 0, turn: 0 });
  assert.deepEqual(combine(['forward', 'back']), { forward: 0, turn: 0 });
  assert.deepEqual(combine(['forward', 'right']), { forward: 1, turn: -DIAGONAL_TURN });
  assert.deepEqual(padWish('back_left'), { forward: -1, turn: -DIAGONAL_TURN });
  assert.deepEqual(padWish('nonsense'), { forward: 0, turn: 0 });
  assert.equal(Object.keys(PADS).length, 8);
});

function pads() {
  const seen = { wish: undefined, lost: 0 };
  const core = new Pads((wish) => { seen.wish = wish; }, () => { seen.lost += 1; });
  return { core, seen };
}

test('pads: several fingers, sliding, lifting', () => {
  const { core, seen } = pads();
  core.press(1, 'forward');
  core.press(2, 'left');
  assert.deepEqual(seen.wish, { forward: 1, turn: DIAGONAL_TURN });
  core.move(2, 'right');
  assert.deepEqual(seen.wish, { forward: 1, turn: -DIAGONAL_TURN });
  core.move(2, null);  // beside the pads
  assert.deepEqual(seen.wish, { forward: 1, turn: 0 });
  core.release(1);
  assert.equal(seen.wish, null);
  core.move(2, 'back');  // still down: back on a pad
  assert.equal(seen.wish.forward, -1);
  core.release(2);
  core.move(2, 'back');  // not down any more
  assert.equal(seen.wish, null);
  assert.equal(seen.lost, 0);
});

test('pads: a pointer that is taken away is an interlock, a lifted one is not', () => {
  const { core, seen } = pads();
  core.press(1, 'forward');
  core.press(2, 'left');
  core.lose(1);
  assert.equal(seen.lost, 1);
  assert.deepEqual(seen.wish, { forward: 0, turn: 1 });
  core.release(2);
  core.lose(2);  // lostpointercapture follows each pointerup
  assert.equal(seen.lost, 1);
});

test('stick: a dead zone without a jump, full at the rim, never beyond', () => {
  assert.deepEqual(stickWish(0, 0, 100), { forward: 0, turn: 0 });
  assert.deepEqual(stickWish(5, -5, 100), { forward: 0, turn: 0 });
  assert.deepEqual(stickWish(0, -100, 100), { forward: 1, turn: 0 });
  assert.deepEqual(stickWish(300, 0, 100), { forward: 0, turn: -1 });
  const corner = stickWish(-300, -300, 100);
  assert.ok(corner.forward < 1 && corner.forward > 0.6 && corner.turn > 0.6);
  assert.ok(beyond(0.13, 0.12) < 0.02, 'begins at zero');
  assert.equal(beyond(NaN, 0.1), 0);
  assert.equal(beyond(-5, 0.1), -1);
});

const buttons = (...pressed) => Array.from({ length: 17 }, (_, i) => ({ pressed: pressed.includes(i) }));

test('gamepad: stick, cross, dead zone, stop button', () => {
  assert.equal(gamepadWish({ axes: [0.1, -0.15], buttons: buttons() }), null);
  assert.equal(gamepadWish({ axes: [], buttons: [] }), null);
  const ahead = gamepadWish({ axes: [0, -1], buttons: buttons() });
  assert.deepEqual(ahead, { forward: 1, turn: 0 });
  assert.equal(gamepadWish({ axes: [1, 0], buttons: buttons() }).turn, -1);
  assert.deepEqual(gamepadWish({ axes: [0, 0], buttons: buttons(12, 14) }),
    { forward: 1, turn: DIAGONAL_TURN });
  assert.equal(gamepadWish({ axes: [NaN, NaN], buttons: buttons() }), null);
  assert.equal(gamepadStop({ axes: [], buttons: buttons(1) }), true);
  assert.equal(gamepadStop({ axes: [], buttons: [] }), false);
});

test('hover: drives slowly, and stops when the pointer does not move at all', () => {
  let wish;
  const hover = new Hover((now) => { wish = now; });
  hover.limit = 0.3;
  hover.stillMs = 1000;
  hover.start('forward', 0);
  assert.deepEqual(wish, { forward: 1, turn: 0, limit: 0.3 });
  hover.moved(900);
  assert.equal(hover.step(1800), false);
  assert.equal(hover.step(1900), true);
  assert.equal(wish, null);
  assert.equal(hover.step(9000), false);
});

test('nudge: as long as its length needs, bounded, and ends itself', () => {
  const size = { stepM: 0.2, stepDeg: 15 };
  assert.equal(nudgeMs('forward', size, LIMITS, 0.5), 800);
  const turn = nudgeMs('left', size, LIMITS, 0.5);
  assert.ok(Math.abs(turn - ((15 * Math.PI) / 180 / 0.75) * 1000) < 1e-9);
  assert.equal(nudgeMs('back', { stepM: 50, stepDeg: 0 }, LIMITS, 0.1), LONGEST_MS);
  assert.equal(nudgeMs('back', size, { maxSpeedMps: 0, maxTurnRadps: 0 }, 0.1), 0);

  const wishes = [];
  const nudge = new Nudge((wish) => wishes.push(wish));
  nudge.start('forward', 800, 0);
  assert.deepEqual(wishes, [{ forward: 1, turn: 0, limit: NUDGE_LIMIT }]);
  nudge.step(799);
  assert.equal(nudge.pad, 'forward');
  nudge.step(800);
  assert.equal(nudge.pad, null);
  assert.equal(wishes.at(-1), null);
  nudge.start('forward', 1e9, 0);
  nudge.step(LONGEST_MS);
  assert.equal(wishes.at(-1), null);
  nudge.start('forward', 800, 0);
  nudge.start('back', 800, 100);  // a new step is let go of first
  assert.deepEqual(wishes.slice(-2).map((wish) => wish?.forward), [undefined, -1]);
});

test('click-click: a second click or the time ends it', () => {
  let wish;
  const click = new ClickClick((now) => { wish = now; });
  click.maxMs = 2000;
  assert.equal(click.stop(), false);
  click.start('left', 0);
  assert.equal(wish.turn, 1);
  assert.equal(click.stop(), true);
  assert.equal(wish, null);
  click.start('forward', 0);
  click.step(1999);
  assert.equal(wish.forward, 1);
  click.step(2000);
  assert.equal(wish, null);
});
