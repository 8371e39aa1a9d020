// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { between, count } from '../../../avatar_web/static/picture/stats.js';

const VIDEO = {
  type: 'inbound-rtp', kind: 'video', timestamp: 10_000, packetsReceived: 100, packetsLost: 0, nackCount: 0,
  framesDecoded: 20, jitterBufferDelay: 0.4, jitterBufferEmittedCount: 20, totalDecodeTime: 0.1,
  bytesReceived: 90_000, headerBytesReceived: 1200,
};
const TRANSPORT = { type: 'transport', selectedCandidatePairId: 'P2', bytesReceived: 100_000 };
const PAIRS = [
  { type: 'candidate-pair', id: 'P1', currentRoundTripTime: 0.5 },
  { type: 'candidate-pair', id: 'P2', currentRoundTripTime: 0.04, nominated: true, state: 'succeeded' },
];
const before = count([VIDEO, TRANSPORT, ...PAIRS]);
const later = (video, transport = {}) => count([
  { ...VIDEO, timestamp: 10_500, packetsReceived: 150, framesDecoded: 30, jitterBufferDelay: 0.7,
    jitterBufferEmittedCount: 30, totalDecodeTime: 0.15, ...video },
  { ...TRANSPORT, bytesReceived: 162_500, ...transport }, ...PAIRS]);

test('nothing received, nothing counted', () => {
  assert.equal(count([]), null);
  assert.equal(count([TRANSPORT, { type: 'inbound-rtp', kind: 'audio' }]), null);
  assert.equal(between(null, before), null);
  assert.equal(between(before, null), null);
  assert.equal(between(before, before), null, 'the same moment');
});

test('data counts with everything around it, of the way that is used', () => {
  assert.equal(before.bytes, 100_000);
  assert.equal(before.tripMs, 40);
  assert.equal(count([VIDEO]).bytes, 91_200, 'a browser without transport statistics');
  assert.equal(count([VIDEO, PAIRS[0]]).tripMs, null);
});

test('speed, and the way of a frame', () => {
  const flow = between(before, later({}));
  assert.equal(flow.kbitS, 1000);
  assert.equal(flow.fps, 20);
  assert.equal(flow.lossShare, 0);
  assert.ok(Math.abs(flow.pathMs - (20 + 30 + 5)) < 1e-6);
});

test('lost packets, also those that came on the second call', () => {
  assert.equal(between(before, later({ packetsLost: 50 })).lossShare, 0.5);
  assert.equal(between(before, later({ nackCount: 50 })).lossShare, 0.5);
  assert.equal(between(before, later({ packetsLost: -3 })).lossShare, 0, 'counted down again');
});

test('no packets: neither loss nor delay is known', () => {
  const flow = between(before, count([{ ...VIDEO, timestamp: 10_500 }, TRANSPORT]));
  assert.equal(flow.lossShare, null);
  assert.equal(flow.pathMs, null);
  assert.equal(flow.fps, 0);
});
