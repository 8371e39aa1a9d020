// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Buffer, QUIET_MS, Quality } from '../../../avatar_web/static/picture/quality.js';

const CLEAN = { lossShare: 0, delayMs: 60 };
const LOSSY = { lossShare: 0.05, delayMs: 60 };
const STEP = 500;

let quality;
let now;

beforeEach(() => {
  quality = new Quality(4, 2);
  now = 100_000;
  feed(CLEAN, 4000);
});

/** The same sample for a while. @returns when the level changed first, ms after the beginning */
function feed(sample, ms, link = () => sample) {
  const from = now;
  const level = quality.level;
  let changed = NaN;
  while (now < from + ms) {
    now += STEP;
    quality.step(link(quality.level), now);
    if (quality.level !== level && Number.isNaN(changed)) changed = now - from;
  }
  return changed;
}

test('loss: down within 2 s', () => {
  assert.ok(feed(LOSSY, 2000) <= 2000);
  assert.equal(quality.level, 1);
});

test('a link that goes on losing: down to the least, and no further', () => {
  feed(LOSSY, 20_000);
  assert.equal(quality.level, 0);
});

test('heavy loss needs no second look', () => {
  assert.equal(feed({ lossShare: 0.3, delayMs: 60 }, 2000), STEP);
});

test('one lost packet is not a bad link', () => {
  feed({ lossShare: 0.01, delayMs: 60 }, 10_000);
  assert.equal(quality.level, 2);
});

test('growing delay: down within 2 s', () => {
  assert.ok(feed({ lossShare: 0, delayMs: 270 }, 2000) <= 2000);
});

test('a computer that was busy for a second is no bad link', () => {
  feed({ lossShare: 0, delayMs: 900 }, 1000);
  feed(CLEAN, 3000);
  assert.equal(quality.level, 2);
});

test('a link that is just slow is not growing', () => {
  quality = new Quality(4, 2);
  feed({ lossShare: 0, delayMs: 400 }, 10_000);
  assert.equal(quality.level, 2);
});

test('up after 15 s of quiet, not before', () => {
  feed(LOSSY, 2000);
  const up = feed(CLEAN, 30_000);
  assert.ok(up >= QUIET_MS && up <= QUIET_MS + 4000, `${up}`);
});

test('up again and again on a good link, to the limit', () => {
  quality.limit(2);
  quality = new Quality(4, 0);
  quality.limit(2);
  feed(CLEAN, 120_000);
  assert.equal(quality.level, 2);
  quality.limit(1);
  feed(CLEAN, STEP);
  assert.equal(quality.level, 1, 'a smaller stage needs less');
});

for (const [name, sample] of [['no numbers', null], ['half of the numbers', { lossShare: null, delayMs: 50 }]]) {
  test(`${name} are no quiet`, () => {
    feed(LOSSY, 2000);
    feed(sample, 60_000);
    assert.equal(quality.level, 1);
    feed(CLEAN, 10_000);
    feed(sample, STEP);
    assert.ok(Number.isNaN(feed(CLEAN, 14_000)), 'the wait begins anew');
  });
}

test('no oscillation: what failed is tried more and more seldom', () => {
  // A link that bears level 1 and not 2, for half an hour.
  let changes = 0;
  let last = quality.level;
  const link = (level) => {
    if (level !== last) changes += 1;
    last = level;
    return level >= 2 ? LOSSY : CLEAN;
  };
  feed(CLEAN, 30 * 60_000, link);
  assert.ok(changes <= 26, `${changes} changes in half an hour`);
  const before = changes;
  feed(CLEAN, 10 * 60_000, link);
  assert.ok(changes - before <= 6, `${changes - before} changes in ten minutes`);
});

test('a level that held is as good as new', () => {
  const link = (level) => (level >= 2 ? LOSSY : CLEAN);
  feed(CLEAN, 10 * 60_000, link);  // 2 has failed several times
  feed(CLEAN, 10 * 60_000);  // the link is better now
  assert.equal(quality.level, 3);
  feed(LOSSY, 1500);
  feed(CLEAN, 30_000);
  assert.equal(quality.level, 3);
});

test('the buffer: empty on a clean link, given up on loss, back after quiet', () => {
  const buffer = new Buffer();
  assert.equal(buffer.step(null, 0), 0);
  assert.equal(buffer.step(CLEAN, 500), 0);
  assert.equal(buffer.step({ lossShare: 0.01, delayMs: 60 }, 1000), null);
  assert.equal(buffer.step(CLEAN, 15_000), null);
  assert.equal(buffer.step(CLEAN, 16_001), 0);
});
