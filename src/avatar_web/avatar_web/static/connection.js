// SPDX-License-Identifier: Apache-2.0
// The one WebSocket to the robot. Whatever goes wrong ends in #fail: teardown, wait, again.

const FIRST_RETRY_MS = 300;
const LONGEST_RETRY_MS = 5000;
const PING_MS = 1000;
/** No answer to our own pings for this long: the line is dead, whatever the socket says. */
const SILENT_MS = 3500;
const CALL_TIMEOUT_MS = 3000;
/** Bytes that wait in the browser: above this, motion would be late and is not sent. */
const BACKLOG_BYTES = 2000;
/** The robot ended the session: connecting again is pointless. */
const SESSION_ENDED = 4401;

/** @typedef {(message: any) => void} Handler */
/** @typedef {{setTimeout: Function, clearTimeout: Function, setInterval: Function,
 *     clearInterval: Function, now: () => number}} Clock */

/** @type {Clock} */
const REAL_CLOCK = {
  setTimeout: (/** @type {() => void} */ action, /** @type {number} */ ms) => setTimeout(action, ms),
  clearTimeout: (/** @type {any} */ id) => clearTimeout(id),
  setInterval: (/** @type {() => void} */ action, /** @type {number} */ ms) => setInterval(action, ms),
  clearInterval: (/** @type {any} */ id) => clearInterval(id),
  now: () => performance.now(),
};

export class Connection {
  #url;
  #Socket;
  #clock;
  /** @type {WebSocket | null} */
  #socket = null;
  #wanted = false;
  #opened = false;
  #up = false;
  #retryMs = FIRST_RETRY_MS;
  #retryAt = 0;
  /** @type {any} */
  #retryTimer = null;
  /** @type {any} */
  #pingTimer = null;
  #heardAt = 0;
  #nextId = 1;
  /** @type {Map<string, {resolve: Function, reject: Function, timer: any}>} */
  #calls = new Map();
  /** @type {Map<string, Set<Handler>>} */
  #handlers = new Map();
  /** @type {Map<string, {options: object, handler: Handler}>} */
  #topics = new Map();

  /** @param {string} url @param {{Socket?: any, clock?: Clock}} parts */
  constructor(url, { Socket = globalThis.WebSocket, clock = REAL_CLOCK } = {}) {
    this.#url = url;
    this.#Socket = Socket;
    this.#clock = clock;
  }

  /** True between the robot's greeting and the loss of the socket. */
  get up() {
    return this.#up;
  }

  /** Seconds until the next attempt, 0 while one is under way. */
  get retryInS() {
    if (!this.#retryTimer) return 0;
    return Math.max(1, Math.ceil((this.#retryAt - this.#clock.now()) / 1000));
  }

  /** True while earlier messages still wait in the browser. */
  get congested() {
    return (this.#socket?.bufferedAmount ?? 0) > BACKLOG_BYTES;
  }

  /**
   * `up`, `lost`, `down`, `refused` (no connection came about), `ended` (by the robot),
   * `round_trip`, or the op of a message (`hello`, `lease`, ...).
   * @param {string} event @param {Handler} handler
   */
  on(event, handler) {
    const known = this.#handlers.get(event) ?? new Set();
    known.add(handler);
    this.#handlers.set(event, known);
  }

  /** Subscribed now and after each reconnect. @param {string} topic @param {object} options @param {Handler} handler */
  subscribe(topic, options, handler) {
    this.#topics.set(topic, { options, handler });
    if (this.#up) this.send({ op: 'subscribe', topic, ...options });
  }

  open() {
    this.#wanted = true;
    if (!this.#socket && !this.#retryTimer) this.#connect();
  }

  /** Try again now instead of after the wait. */
  retryNow() {
    if (!this.#retryTimer) return;
    this.#clearRetry();
    this.#connect();
  }

  close() {
    this.#wanted = false;
    this.#clearRetry();
    this.#teardown('closed');
  }

  /** @param {object} message @returns {boolean} false if there is no open socket */
  send(message) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /**
   * Call a service; resolves with its values, rejects with a sentence.
   * @param {string} service @param {object} args
   * @returns {Promise<any>}
   */
  call(service, args = {}) {
    const id = `page-${this.#nextId++}`;
    return new Promise((resolve, reject) => {
      if (!this.send({ op: 'call_service', id, service, args })) {
        reject(new Error('offline'));
        return;
      }
      const timer = this.#clock.setTimeout(() => {
        this.#calls.delete(id);
        reject(new Error('timeout'));
      }, CALL_TIMEOUT_MS);
      this.#calls.set(id, { resolve, reject, timer });
    });
  }

  #connect() {
    let socket;
    try {
      socket = new this.#Socket(this.#url);
    } catch (error) {
      this.#fail(`cannot open ${this.#url}: ${error}`);
      return;
    }
    this.#socket = socket;
    this.#heardAt = this.#clock.now();  // an attempt that gets no answer is given up as well
    this.#pingTimer = this.#clock.setInterval(() => this.#ping(), PING_MS);
    this.#opened = false;
    socket.onopen = () => {
      this.#opened = true;
      this.#ping();
    };
    socket.onmessage = (/** @type {MessageEvent} */ event) => this.#received(socket, event.data);
    socket.onclose = (/** @type {CloseEvent} */ event) => {
      if (socket === this.#socket) this.#closed(event.code, event.reason);
    };
  }

  #ping() {
    if (this.#clock.now() - this.#heardAt > SILENT_MS) {
      this.#fail('no answer');
      return;
    }
    this.send({ op: 'ping', t: this.#clock.now() });
  }

  /** @param {WebSocket} socket @param {any} data */
  #received(socket, data) {
    if (socket !== this.#socket) return;
    let message;
    try {
      message = JSON.parse(data);
    } catch (error) {
      this.#fail(`not JSON: ${error}`);
      return;
    }
    this.#heardAt = this.#clock.now();
    if (message.op === 'hello') this.#greeted(message);
    else if (message.op === 'pong') this.#ponged(message);
    else if (message.op === 'publish') this.#published(message);
    else if (message.op === 'service_response') this.#answered(message);
    else this.#emit(message.op, message);
  }

  /** @param {any} hello */
  #greeted(hello) {
    this.#up = true;
    this.#retryMs = FIRST_RETRY_MS;
    for (const [topic, { options }] of this.#topics) this.send({ op: 'subscribe', topic, ...options });
    this.#emit('hello', hello);
    this.#emit('up', null);
  }

  /** @param {{t: number, round_trip_ms: number | null, clock_ms?: number}} message */
  #ponged({ t, round_trip_ms: gateway, clock_ms: clockMs }) {
    this.#emit('round_trip', {
      page: this.#clock.now() - t, gateway: gateway ?? null, sentMs: t, clockMs,
    });
  }

  /** @param {{topic: string, msg: any}} message */
  #published({ topic, msg }) {
    const known = this.#topics.get(topic) ?? this.#topics.get(topic.replace(/^\//, ''));
    known?.handler(msg);
  }

  /** @param {{id: string, result: boolean, values: any}} answer */
  #answered({ id, result, values }) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    this.#clock.clearTimeout(call.timer);
    if (result && values?.success !== false) call.resolve(values ?? {});
    else call.reject(new Error(typeof values === 'string' ? values : values?.message ?? ''));
  }

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    if (code === SESSION_ENDED) {
      this.close();
      this.#emit('ended', reason);
    } else {
      // A browser does not tell why a handshake failed: who is interested has to ask.
      if (!this.#opened) this.#emit('refused', null);
      this.#fail(`closed (${code}) ${reason}`);
    }
  }

  /** The one way out of every error. @param {string} reason */
  #fail(reason) {
    this.#teardown(reason);
    if (!this.#wanted) return;
    const wait = this.#retryMs * (0.8 + 0.4 * Math.random());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
    this.#retryAt = this.#clock.now() + wait;
    this.#retryTimer = this.#clock.setTimeout(() => {
      this.#retryTimer = null;
      this.#connect();
    }, wait);
    this.#emit('down', reason);
  }

  #clearRetry() {
    if (this.#retryTimer) this.#clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }

  /** @param {string} reason */
  #teardown(reason) {
    const socket = this.#socket;
    this.#socket = null;
    this.#clock.clearInterval(this.#pingTimer);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const { reject, timer } of this.#calls.values()) {
      this.#clock.clearTimeout(timer);
      reject(new Error('offline'));
    }
    this.#calls.clear();
    if (!this.#up) return;
    this.#up = false;
    this.#emit('lost', reason);
  }

  /** @param {string} event @param {any} message */
  #emit(event, message) {
    for (const handler of this.#handlers.get(event) ?? []) handler(message);
  }
}
