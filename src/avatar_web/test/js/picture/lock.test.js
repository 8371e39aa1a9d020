// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pageStart } from '../../../avatar_web/static/picture/gallery.js';
import { ageText, whyNone } from '../../../avatar_web/static/picture/hud.js';
import { lock, look } from '../../../avatar_web/static/picture/lock.js';

test('greyed before it is too old to drive by', () => {
  assert.equal(look(80, 1000), 'live');
  assert.equal(look(700, 1000), 'old');
  assert.equal(lock(700, 1000, false).old, false);
  assert.equal(look(Infinity, 1000), 'away');
});

test('too old, or none: locked', () => {
  assert.deepEqual(lock(1000, 1000, false), { old: false, away: false, blind: false });
  assert.deepEqual(lock(1001, 1000, false), { old: true, away: false, blind: false });
  assert.deepEqual(lock(Infinity, 1000, true), { old: true, away: true, blind: true });
  assert.equal(lock(NaN, 1000, false).old, true, 'an age that is no number is no good one');
});

test('why there is none: what this page cannot, then what the robot says', () => {
  const live = { problem: '', connected: true, online: true, stream: { state: 'live', reason: '' } };
  const of = (more) => whyNone({ ...live, ...more });
  assert.equal(of({}), 'picture.coming');
  assert.equal(of({ connected: false }), 'picture.joining');
  assert.equal(of({ problem: 'blocked', stream: { state: 'stalled', reason: 'no_camera' } }), 'picture.blocked');
  assert.equal(of({ problem: 'lost', connected: false }), 'picture.joining');
  assert.equal(of({ stream: null }), 'picture.silent');
  assert.equal(of({ online: false, stream: null }), 'lease.offline');
  assert.equal(of({ stream: { state: 'stalled', reason: 'no_camera' } }), 'picture.no_camera');
  assert.equal(of({ stream: { state: 'stalled', reason: 'something new' } }), 'picture.stalled');
  assert.equal(of({ stream: { state: 'starting', reason: 'server_down' } }), 'picture.server_down');
  assert.equal(of({ stream: { state: 'off', reason: '' } }), 'picture.coming');
});

test('how the age is known is said', () => {
  assert.equal(ageText({ look: 'live', ageMs: 61.6, measured: true }), 'Picture 62 ms (measured)');
  assert.equal(ageText({ look: 'live', ageMs: 61.6, measured: false }), 'Picture ≈ 62 ms (estimated)');
  assert.equal(ageText({ look: 'old', ageMs: 3210, measured: true }), 'Picture 3.2 s old');
  assert.equal(ageText({ look: 'away', ageMs: Infinity, measured: true }), 'No picture');
});

test('the gallery turns whole pages and ends where the files do', () => {
  assert.equal(pageStart(0, 9), 0);
  assert.equal(pageStart(5, 9), 4);
  assert.equal(pageStart(12, 9), 8);
  assert.equal(pageStart(-4, 9), 0);
  assert.equal(pageStart(4, 0), 0);
});
