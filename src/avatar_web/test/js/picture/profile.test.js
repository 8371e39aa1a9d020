// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import {
  LEAST, ProfileChooser, ceiling, ladder,
} from '../../../avatar_web/static/picture/profile.js';
import { Settings } from '../../../avatar_web/static/settings.js';

const CLEAN = { lossShare: 0, delayMs: 60 };
const LOSSY = { lossShare: 0.2, delayMs: 60 };
const MEDIUM = { profile: '480p', fps: 20 };

let settings;
let sent;
let chooser;

beforeEach(() => {
  settings = new Settings(null);
  sent = [];
  chooser = new ProfileChooser(settings, async (choice) => void sent.push(choice));
});

test('the least of the ladder is 320p at 10 fps, once', () => {
  assert.deepEqual(ladder(20).map(({ profile, fps }) => `${profile}${fps}`),
    ['320p10', '320p20', '480p20', '720p20']);
  assert.deepEqual(ladder(10).map(({ profile }) => profile), ['320p', '480p', '720p']);
});

test('not more than can be seen', () => {
  const levels = ladder(20);
  assert.equal(levels[ceiling(levels, 374)].profile, '320p');
  assert.equal(levels[ceiling(levels, 374)].fps, 20);
  assert.equal(levels[ceiling(levels, 868)].profile, '480p');
  assert.equal(levels[ceiling(levels, 1280)].profile, '720p');
  assert.equal(levels[ceiling(levels, 3840)].profile, '720p');
  assert.equal(ladder(10)[ceiling(ladder(10), 374)].profile, '320p');
});

test('automatic: what is sent already is the beginning', () => {
  chooser.step(CLEAN, MEDIUM, 868, 1000);
  assert.deepEqual(sent, []);
  for (let now = 1500; now < 7000; now += 500) chooser.step(LOSSY, MEDIUM, 868, now);
  assert.deepEqual(sent[0], { profile: '320p', fps: 20 });
});

test('by hand, and asked for again until the robot does it', () => {
  settings.set('quality', '720p');
  for (let now = 0; now < 9000; now += 500) chooser.step(null, MEDIUM, 868, now);
  assert.deepEqual(sent, [0, 1, 2].map(() => ({ profile: '720p', fps: 20 })));
  chooser.step(null, { profile: '720p', fps: 20 }, 868, 20_000);
  assert.equal(sent.length, 3);
});

test('saving data is the least, whatever else was chosen', () => {
  settings.set('quality', '720p');
  settings.set('dataSaver', true);
  assert.deepEqual(chooser.byHand(), LEAST);
  chooser.step(CLEAN, MEDIUM, 868, 0);
  assert.deepEqual(sent, [LEAST]);
});

test('nothing is asked of a robot that does not say what it sends', () => {
  settings.set('quality', '720p');
  chooser.step(CLEAN, null, 868, 0);
  assert.deepEqual(sent, []);
});
