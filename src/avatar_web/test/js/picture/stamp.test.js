// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CELLS, WRAP_MS, readStamp, stampAge } from '../../../avatar_web/static/picture/stamp.js';

/** The cells of a strip that says `ms`, as a camera paints them. */
export function strip(ms, { white = 235, black = 16 } = {}) {
  const nibbles = Array.from({ length: 8 }, (_, i) => Math.floor(ms / 16 ** (7 - i)) % 16);
  const sum = nibbles.reduce((a, b) => a ^ b, 0);
  const bits = [0b1010, ...nibbles, sum].flatMap((n) => [n & 8, n & 4, n & 2, n & 1]);
  return bits.map((bit) => (bit ? white : black));
}

for (const ms of [0, 1, 123_456_789, 0x80000000, WRAP_MS - 1]) {
  test(`a strip says ${ms}`, () => {
    assert.equal(strip(ms).length, CELLS);
    assert.equal(readStamp(strip(ms)), ms);
    assert.equal(readStamp(strip(ms, { white: 180, black: 60 })), ms, 'a weak picture');
  });
}

test('what an encoder does to it is borne', () => {
  const blurred = strip(987_654_321).map((luma, i) => luma + (i % 3 - 1) * 35);
  assert.equal(readStamp(blurred), 987_654_321);
});

test('each flipped bit is noticed', () => {
  for (let cell = 0; cell < CELLS; cell += 1) {
    const cells = strip(305_419_896);
    cells[cell] = cells[cell] > 128 ? 16 : 235;
    assert.equal(readStamp(cells), null, `cell ${cell}`);
  }
});

test('a room is no stamp', () => {
  assert.equal(readStamp(new Uint8Array(CELLS).fill(120)), null);
  assert.equal(readStamp(strip(1, { white: 120, black: 60 })), null, 'too weak');
  assert.equal(readStamp([...strip(1)].reverse()), null);
  assert.equal(readStamp([]), null);
  const grey = strip(305_419_896);
  grey[20] = 125;
  assert.equal(readStamp(grey), null, 'neither black nor white');
});

test('ages, also where the counter begins anew', () => {
  assert.equal(stampAge(1000, 1080), 80);
  assert.equal(stampAge(1080, 1000), -80);
  assert.equal(stampAge(WRAP_MS - 50, 3 * WRAP_MS + 30), 80);
  assert.equal(stampAge(30, 5 * WRAP_MS - 50), -80);
});
