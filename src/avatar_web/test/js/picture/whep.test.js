// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Whep, fragment } from '../../../avatar_web/static/picture/whep.js';

const SDP = ['v=0', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:0', 'a=ice-ufrag:u', 'a=ice-pwd:p', ''].join('\r\n');

/** The browser's end of a connection; the test says what happens to it. */
class Peer {
  static all = [];
  localDescription = null;
  connectionState = 'new';
  closed = false;

  constructor() {
    Peer.all.push(this);
  }

  setConfiguration(configuration) {
    assert.equal(this.localDescription, null, 'after the search has begun it comes too late');
    this.configuration = configuration;
  }

  addTransceiver() { return {}; }
  async createOffer() { return { type: 'offer', sdp: SDP }; }
  async setLocalDescription(offer) { this.localDescription = offer; }
  async setRemoteDescription(answer) { this.answer = answer; }
  close() { this.closed = true; }

  becomes(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** @type {{method: string, url: string}[]} */
let asked;
let answer;
let whep;
let iceServers;

const respond = (status, body = SDP, headers = {}) => ({
  status, text: async () => body, url: 'http://robot/whep/camera', headers: { get: (name) => headers[name] ?? null },
});
const joined = () => respond(201, SDP, { Location: `/whep/camera/${asked.length}` });
const of = (method) => asked.filter((one) => one.method === method);
const peer = () => Peer.all.at(-1);

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  Peer.all = [];
  asked = [];
  answer = joined;
  iceServers = async () => [{ urls: 'stun:robot' }];
  whep = new Whep('http://robot/whep/camera', { track: () => undefined, changed: () => undefined }, {
    Peer, iceServers: () => iceServers(), fetch: async (url, { method, body }) => {
      asked.push({ method, url, body });
      if (method !== 'POST') return respond(204, '');
      return answer();
    },
  });
});

afterEach(() => {
  whep.close();
  mock.timers.reset();
});

/** Let everything that was promised happen. */
async function settle() {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

async function connect() {
  whep.open();
  await settle();
  peer().becomes('connected');
}

test('joins: offer, answer, connected', async () => {
  await connect();
  assert.equal(asked[0].body, SDP);
  assert.deepEqual(peer().answer, { type: 'answer', sdp: SDP });
  assert.deepEqual(peer().configuration, { iceServers: [{ urls: 'stun:robot' }] });
  assert.equal(whep.connected, true);
  assert.equal(whep.problem, '');
});

test('who listens later hears of the picture that arrives already', async () => {
  globalThis.MediaStream = class {
    constructor(tracks) { this.tracks = tracks; }
  };
  await connect();
  peer().ontrack({ track: 'video', receiver: 'its receiver' });
  const heard = [];
  whep.listen({ track: (...picture) => heard.push(picture), changed: () => heard.push('changed') });
  assert.deepEqual(heard.map(([stream, receiver]) => [stream.tracks, receiver]),
    [[['video'], 'its receiver']]);
  whep.close();
  assert.equal(heard.at(-1), 'changed');
  whep.listen({ track: () => assert.fail('it is over'), changed: () => {} });
});

test('closed: the session is signed off', async () => {
  await connect();
  whep.close();
  assert.deepEqual(of('DELETE').map(({ url }) => url), ['http://robot/whep/camera/1']);
  assert.equal(peer().closed, true);
  assert.equal(whep.connected, false);
  await pass(60_000);
  assert.equal(of('POST').length, 1);
});

for (const [name, break_] of [
  ['failed', () => peer().becomes('failed')],
  ['silent for two seconds', () => peer().becomes('disconnected')],
]) {
  test(`${name}: torn down, and joined again`, async () => {
    await connect();
    break_();
    await pass(2100);
    assert.equal(whep.problem, 'lost');
    assert.equal(Peer.all[0].closed, true);
    assert.equal(of('DELETE').length, 1);
    await pass(600);
    peer().becomes('connected');
    assert.equal(whep.connected, true);
    assert.equal(Peer.all.length, 2);
  });
}

test('silent for a moment only: the same connection goes on', async () => {
  await connect();
  peer().becomes('disconnected');
  await pass(1000);
  peer().becomes('connected');
  await pass(5000);
  assert.equal(Peer.all.length, 1);
});

for (const [status, body, problem] of [
  [503, '{"code": "server_down"}', 'server_down'],
  [502, '<html>a proxy</html>', 'server_down'],
  [429, '{"code": "too_many"}', 'too_many'],
  [403, '{"code": "role"}', 'forbidden'],
]) {
  test(`${status} ${body}: ${problem}, and tried again with growing waits`, async () => {
    answer = () => respond(status, body);
    whep.open();
    await settle();
    assert.equal(whep.problem, problem);
    const times = [];
    for (let ms = 0; ms < 30_000; ms += 100) {
      const before = of('POST').length;
      await pass(100);
      if (of('POST').length > before) times.push(ms);
    }
    const waits = times.slice(1).map((time, i) => time - times[i]);
    assert.ok(times[0] <= 600, `first after ${times[0]} ms`);
    assert.ok(waits.at(-1) >= 3900 && waits.at(-1) <= 6100, `${waits}`);
    answer = joined;
    await pass(6100);
    peer().becomes('connected');
    assert.equal(whep.problem, '');
  });
}

test('out of reach: tried again', async () => {
  answer = () => { throw new TypeError('Failed to fetch'); };
  whep.open();
  await settle();
  assert.equal(whep.problem, 'offline');
  answer = joined;
  await pass(700);
  peer().becomes('connected');
  assert.equal(whep.connected, true);
});

test('no way through the network: said after 8 s, and tried again', async () => {
  whep.open();
  await settle();
  await pass(7900);
  assert.equal(whep.problem, '');
  await pass(200);
  assert.equal(whep.problem, 'blocked');
  await pass(700);
  assert.equal(Peer.all.length, 2);
});

test('no answer at all is not waited for', async () => {
  answer = () => new Promise(() => undefined);
  whep.open();
  await settle();
  await pass(8100);
  assert.equal(whep.problem, 'offline');
});

test('the link is back: joined at once, but what works is left alone', async () => {
  answer = () => respond(503, '');
  whep.open();
  await settle();
  answer = joined;
  whep.hurry();
  await settle();
  peer().becomes('connected');
  assert.equal(whep.connected, true);
  whep.hurry();
  await settle();
  assert.equal(Peer.all.length, 2);
});

test('a robot that does not take H.264 of this browser is not asked again', async () => {
  answer = () => respond(400, '{"code": "no_h264"}');
  whep.open();
  await settle();
  await pass(60_000);
  assert.equal(whep.problem, 'no_codec');
  assert.equal(of('POST').length, 1);
});

test('a browser without WebRTC', async () => {
  whep = new Whep('x', { track: () => undefined, changed: () => undefined }, { Peer: null, fetch: null });
  whep.open();
  await settle();
  assert.equal(whep.problem, 'no_webrtc');
});

test('another network: a new session at once', async () => {
  await connect();
  whep.rejoin();
  await settle();
  assert.equal(Peer.all[0].closed, true);
  assert.equal(of('DELETE').length, 1);
  assert.equal(Peer.all.length, 2);
});

test('an answer that comes after it was closed makes no connection', async () => {
  let release;
  answer = () => new Promise((resolve) => { release = () => resolve(joined()); });
  whep.open();
  await settle();
  whep.close();
  release();
  await settle();
  assert.equal(peer().answer, undefined);
  assert.equal(whep.connected, false);
});

test('candidates travel together, those found before the answer too', async () => {
  let release;
  answer = () => new Promise((resolve) => { release = () => resolve(joined()); });
  whep.open();
  await settle();
  peer().onicecandidate({ candidate: { candidate: 'candidate:1 udp' } });
  peer().onicecandidate({ candidate: { candidate: 'candidate:2 tcp' } });
  await pass(50);
  assert.equal(of('PATCH').length, 0);
  release();
  await settle();
  assert.deepEqual(of('PATCH').map(({ body }) => body), [fragment(SDP, [
    { candidate: 'candidate:1 udp' }, { candidate: 'candidate:2 tcp' }])]);
  assert.equal(of('PATCH')[0].body, ['a=ice-ufrag:u', 'a=ice-pwd:p',
    'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:0', 'a=candidate:1 udp', 'a=candidate:2 tcp', ''].join('\r\n'));
});
