// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Connection } from '../../avatar_web/static/connection.js';

/** The browser's edge: a socket that the test is the other end of. */
class Socket {
  static all = [];

  constructor(url) {
    Object.assign(this, { url, readyState: 0, sent: [], bufferedAmount: 0, closed: false });
    Socket.all.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }

  close() {
    this.closed = true;
    this.readyState = 3;
  }

  opens() {
    this.readyState = 1;
    this.onopen();
  }

  says(message) { this.onmessage?.({ data: JSON.stringify(message) }); }

  closes(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

class Clock {
  now_ = 0;
  timers = new Map();
  next = 1;

  now() { return this.now_; }

  setTimeout(action, ms) { return this.#add(action, ms, 0); }

  setInterval(action, ms) { return this.#add(action, ms, ms); }

  clearTimeout(id) { this.timers.delete(id); }

  clearInterval(id) { this.timers.delete(id); }

  #add(action, ms, every) {
    this.timers.set(this.next, { action, at: this.now_ + ms, every });
    return this.next++;
  }

  pass(ms) {
    const end = this.now_ + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.now_ = timer.at;
      if (timer.every) timer.at += timer.every;
      else this.timers.delete(id);
      timer.action();
    }
    this.now_ = end;
  }
}

let clock;
let link;
const last = () => Socket.all.at(-1);
const HELLO = { op: 'hello', name: 'Ana', role: 'driver', session: 's1' };

beforeEach(() => {
  Socket.all = [];
  clock = new Clock();
  link = new Connection('ws://robot/rosbridge', { Socket, clock });
});

function connect() {
  link.open();
  last().opens();
  last().says(HELLO);
}

test('up with the greeting, not before; subscriptions follow, again after a reconnect', () => {
  link.subscribe('odom', { throttle_rate: 100 }, () => undefined);
  link.open();
  last().opens();
  assert.equal(link.up, false);
  last().says(HELLO);
  assert.equal(link.up, true);
  const subscribed = () => last().sent.filter(({ op }) => op === 'subscribe');
  assert.deepEqual(subscribed(), [{ op: 'subscribe', topic: 'odom', throttle_rate: 100 }]);
  last().closes();
  assert.equal(link.up, false);
  clock.pass(1000);
  assert.equal(Socket.all.length, 2);
  last().opens();
  last().says(HELLO);
  assert.equal(subscribed().length, 1);
});

test('losing it is said once, and it tries again at growing distances', () => {
  const events = [];
  for (const name of ['lost', 'down', 'up']) link.on(name, () => events.push(name));
  connect();
  last().closes();
  assert.deepEqual(events, ['up', 'lost', 'down']);
  const waits = [];
  for (let i = 0; i < 8; i += 1) {
    const before = clock.now();
    const count = Socket.all.length;
    while (Socket.all.length === count) clock.pass(10);
    waits.push(clock.now() - before);
    last().closes();
  }
  assert.ok(waits[0] <= 400 && waits.at(-1) > 3500 && waits.at(-1) <= 6100, String(waits));
  assert.equal(events.filter((name) => name === 'lost').length, 1);
});

test('nothing of a socket that was given up is heard any more', () => {
  const heard = [];
  link.on('lease', (message) => heard.push(message));
  connect();
  const old = last();
  old.closes();
  old.onmessage?.({ data: '{"op":"lease","mine":true}' });
  assert.deepEqual(heard, []);
  assert.equal(old.closed, true);
});

test('a line without answers is given up, while connecting as well', () => {
  connect();
  clock.pass(3000);
  assert.equal(link.up, true);
  clock.pass(2000);
  assert.equal(link.up, false);
  clock.pass(1000);
  const silent = last();
  clock.pass(6000);
  assert.ok(silent.closed, 'an attempt that hangs');
  assert.ok(Socket.all.length >= 3);
});

test('round trips are measured by our own pings', () => {
  const trips = [];
  link.on('round_trip', (ms) => trips.push(ms));
  connect();
  clock.pass(1000);
  const ping = last().sent.filter(({ op }) => op === 'ping').at(-1);
  clock.pass(30);
  last().says({ op: 'pong', t: ping.t, round_trip_ms: 12.5, clock_ms: 77 });
  assert.deepEqual(trips, [{ page: 30, gateway: 12.5, sentMs: ping.t, clockMs: 77 }]);
});

test('service calls are matched by id; refusals and silence are errors', async () => {
  connect();
  const call = link.call('lights/front', { data: true });
  const { id } = last().sent.at(-1);
  last().says({ op: 'service_response', id: 'other', result: true, values: {} });
  last().says({ op: 'service_response', id, result: true, values: { success: true, message: 'ok' } });
  assert.equal((await call).message, 'ok');

  const refused = link.call('e_stop_reset', { number: 1 });
  last().says({ op: 'service_response', id: last().sent.at(-1).id, result: true,
    values: { success: false, message: 'a newer stop holds' } });
  await assert.rejects(refused, /a newer stop holds/);

  const denied = link.call('motor/self_test');
  last().says({ op: 'service_response', id: last().sent.at(-1).id, result: false, values: 'not you' });
  await assert.rejects(denied, /not you/);

  const silent = link.call('e_stop_trigger');
  clock.now_ += 0;
  for (let i = 0; i < 40; i += 1) {
    last().says({ op: 'pong', t: clock.now() });
    clock.pass(100);
  }
  await assert.rejects(silent, /timeout/);

  const cut = link.call('e_stop_trigger');
  last().closes();
  await assert.rejects(cut, /offline/);
  await assert.rejects(link.call('e_stop_trigger'), /offline/);
});

test('messages reach the subscriber with or without a leading slash', () => {
  const heard = [];
  link.subscribe('e_stop', {}, (msg) => heard.push(msg.data));
  connect();
  last().says({ op: 'publish', topic: 'e_stop', msg: { data: false } });
  last().says({ op: 'publish', topic: '/e_stop', msg: { data: true } });
  last().says({ op: 'publish', topic: 'unknown', msg: {} });
  assert.deepEqual(heard, [false, true]);
});

test('a session that was ended does not knock again', () => {
  let ended = 0;
  link.on('ended', () => { ended += 1; });
  connect();
  last().closes(4401, 'removed');
  clock.pass(60000);
  assert.equal(ended, 1);
  assert.equal(Socket.all.length, 1);
});

test('what is not JSON ends the connection like any other error', () => {
  connect();
  last().onmessage({ data: '{' });
  assert.equal(link.up, false);
  clock.pass(1000);
  assert.equal(Socket.all.length, 2);
});

test('a full browser buffer is congestion; a closed connection sends nothing', () => {
  connect();
  assert.equal(link.congested, false);
  last().bufferedAmount = 50000;
  assert.equal(link.congested, true);
  link.close();
  assert.equal(link.send({ op: 'ping' }), false);
  clock.pass(60000);
  assert.equal(Socket.all.length, 1);
});
