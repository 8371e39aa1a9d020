// SPDX-License-Identifier: Apache-2.0
// What the browser counts about the received picture, and what two counts say. Pure.

/**
 * Counters since the connection began.
 * @typedef {object} Counters
 * @property {number} atMs @property {number} bytes with everything around the picture
 * @property {number} packets @property {number} lost @property {number} nacks
 * @property {number} frames decoded
 * @property {number} bufferS time in the jitter buffer, of all frames together
 * @property {number} buffered frames that left it
 * @property {number} decodeS
 * @property {number | null} tripMs
 */

/**
 * What happened between two counts; null where nothing can be said.
 * @typedef {object} Flow
 * @property {number} bytes @property {number} kbitS @property {number} fps
 * @property {number | null} lossShare of the packets, repeated ones included
 * @property {number | null} pathMs network + jitter buffer + decoder
 */

/**
 * @param {Iterable<any>} stats the values of an RTCStatsReport
 * @returns {Counters | null} null before the first packet
 */
export function count(stats) {
  /** @type {any} */ let video = null;
  /** @type {any} */ let transport = null;
  /** @type {Map<string, any>} */ const pairs = new Map();
  for (const entry of stats) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'video') video = entry;
    else if (entry.type === 'transport') transport = entry;
    else if (entry.type === 'candidate-pair') pairs.set(entry.id, entry);
  }
  if (!video) return null;
  const pair = pairs.get(transport?.selectedCandidatePairId)
    ?? [...pairs.values()].find(({ nominated, state }) => nominated && state === 'succeeded');
  const trip = pair?.currentRoundTripTime;
  return {
    atMs: video.timestamp,
    bytes: transport?.bytesReceived ?? pair?.bytesReceived
      ?? video.bytesReceived + (video.headerBytesReceived ?? 0),
    packets: video.packetsReceived ?? 0,
    lost: video.packetsLost ?? 0,
    nacks: video.nackCount ?? 0,
    frames: video.framesDecoded ?? 0,
    bufferS: video.jitterBufferDelay ?? 0,
    buffered: video.jitterBufferEmittedCount ?? 0,
    decodeS: video.totalDecodeTime ?? 0,
    tripMs: typeof trip === 'number' ? trip * 1000 : null,
  };
}

/** @param {Counters | null} before @param {Counters | null} after @returns {Flow | null} */
export function between(before, after) {
  if (!before || !after || after.atMs <= before.atMs) return null;
  const more = (/** @type {keyof Counters} */ name) =>
    Math.max(0, Number(after[name]) - Number(before[name]));
  const seconds = (after.atMs - before.atMs) / 1000;
  const packets = more('packets');
  // A packet that was asked for again was lost, too, even if it came in the end.
  const missed = Math.max(more('lost'), more('nacks'));
  const frames = more('frames');
  const buffered = more('buffered');
  const known = packets > 0 && frames > 0 && buffered > 0;
  return {
    bytes: more('bytes'),
    kbitS: (more('bytes') * 8) / 1000 / seconds,
    fps: frames / seconds,
    lossShare: packets > 0 ? missed / (packets + missed) : null,
    pathMs: known ? (after.tripMs ?? 0) / 2 + (more('bufferS') / buffered) * 1000
      + (more('decodeS') / frames) * 1000 : null,
  };
}
