// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { DIAGONAL_TURN } from '../../avatar_web/static/inputs/directions.js';
import { Keyboard, isTextField } from '../../avatar_web/static/inputs/keyboard.js';

const BODY = { tagName: 'BODY' };
const TEXT = { tagName: 'INPUT', type: 'text' };
const SLIDER = { tagName: 'INPUT', type: 'range' };

let reported;
let keyboard;
beforeEach(() => {
  reported = [];
  keyboard = new Keyboard((wish, stale) => reported.push({ wish, stale }));
});
const down = (code, extra = {}) => keyboard.down({ code, target: BODY, repeat: false, ...extra });
const up = (code) => keyboard.up({ code });

test('WASD and arrows, by place', () => {
  for (const [code, wish] of Object.entries({
    KeyW: { forward: 1, turn: 0 }, ArrowUp: { forward: 1, turn: 0 },
    KeyS: { forward: -1, turn: 0 }, ArrowDown: { forward: -1, turn: 0 },
    KeyA: { forward: 0, turn: 1 }, ArrowLeft: { forward: 0, turn: 1 },
    KeyD: { forward: 0, turn: -1 }, ArrowRight: { forward: 0, turn: -1 },
  })) {
    assert.equal(down(code), true);
    assert.deepEqual(keyboard.wish, wish);
    up(code);
    assert.equal(keyboard.wish, null);
  }
  assert.equal(down('KeyQ'), false);
});

test('diagonals; letting one of two keys go falls back to the other', () => {
  down('KeyW');
  down('KeyA');
  assert.deepEqual(keyboard.wish, { forward: 1, turn: DIAGONAL_TURN });
  up('KeyW');
  assert.deepEqual(keyboard.wish, { forward: 0, turn: 1 });
  down('KeyS');
  assert.deepEqual(keyboard.wish, { forward: -1, turn: -DIAGONAL_TURN });
  up('KeyA');
  up('KeyS');
  assert.equal(keyboard.wish, null);
});

test('of two opposite keys the newer counts, and it falls back', () => {
  down('KeyW');
  down('KeyS');
  assert.equal(keyboard.wish.forward, -1);
  up('KeyS');
  assert.equal(keyboard.wish.forward, 1);
});

test('two keys of one direction: both must be let go', () => {
  down('KeyW');
  down('ArrowUp');
  up('KeyW');
  assert.equal(keyboard.wish.forward, 1);
  up('ArrowUp');
  assert.equal(keyboard.wish, null);
});

test('auto-repeat starts nothing', () => {
  assert.equal(down('KeyW', { repeat: true }), true);
  assert.equal(keyboard.wish, null);
});

test('text fields: a key-down never drives, a key-up is always heard', () => {
  assert.equal(down('KeyW', { target: TEXT }), false);
  assert.equal(keyboard.wish, null);
  down('KeyW');
  keyboard.up({ code: 'KeyW', target: TEXT });
  assert.equal(keyboard.wish, null);
  for (const target of [{ tagName: 'TEXTAREA' }, { tagName: 'SELECT' }, { tagName: 'DIV', isContentEditable: true }]) {
    assert.equal(down('KeyW', { target }), false);
    assert.equal(isTextField(target), true);
  }
  assert.equal(isTextField(SLIDER), false);
  assert.equal(isTextField({ tagName: 'INPUT', type: 'checkbox' }), false);
  assert.equal(isTextField({ tagName: 'BUTTON' }), false);
});

test('a slider keeps its arrows, and leaves WASD to driving', () => {
  assert.equal(down('ArrowUp', { target: SLIDER }), false);
  assert.equal(down('KeyW', { target: SLIDER }), true);
});

test('combinations never drive', () => {
  for (const modifier of ['ctrlKey', 'altKey', 'metaKey']) {
    assert.equal(down('KeyW', { [modifier]: true }), false);
  }
  assert.equal(down('KeyW', { isComposing: true }), false);
  assert.equal(keyboard.wish, null);
  assert.equal(down('KeyW', { shiftKey: true }), true);
});

test('a modifier pressed while driving stops, and the key must be let go', () => {
  down('KeyW');
  down('MetaLeft');
  assert.equal(keyboard.wish, null);
  down('KeyW', { repeat: true });
  assert.deepEqual(reported.at(-1), { wish: { forward: 0, turn: 0 }, stale: true });
  up('KeyW');
  down('KeyW');
  assert.deepEqual(reported.at(-1), { wish: { forward: 1, turn: 0 }, stale: false });
});

test('after the page lost the keyboard a held key is deaf until released once', () => {
  down('KeyW');
  keyboard.drop();
  assert.deepEqual(reported.at(-1), { wish: null, stale: false });
  down('KeyW', { repeat: true });
  assert.equal(keyboard.wish.forward, 0);
  down('KeyW', { repeat: false });  // some systems do not mark the first repetition
  assert.equal(keyboard.wish.forward, 0);
  assert.equal(reported.at(-1).stale, true);
  up('KeyW');
  assert.equal(keyboard.wish, null);
  down('KeyW');
  assert.equal(keyboard.wish.forward, 1);
});
