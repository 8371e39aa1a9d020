// SPDX-License-Identifier: Apache-2.0
// The video element and its session: plays while it is wanted and looked at, and knows of each
// frame how old it is. It judges nothing about driving.

import { PictureAge } from './age.js';
import { play, session } from './join.js';
import { Buffer } from './quality.js';
import { between, count } from './stats.js';
import { StripReader } from './strip.js';

const STATS_MS = 500;
/** The robot sends, nothing arrives: the session is dead whatever it says of itself. */
const SILENT_MS = 2000;
/** Without a word from the robot for this long it is the link that is cut: nothing would help. */
const LINK_MS = 1500;
/** It lags by this much for this long: a new session begins without what had queued up. */
const LAG_MS = 2500;
const LAG_FOR_MS = 5000;
/** The speed that is shown is a mean of this many counts. */
const SHOWN_FLOWS = 4;

/** @typedef {import('./stats.js').Flow} Flow */

export class Player {
  age = new PictureAge();
  /** bytes received since the page was opened */
  bytes = 0;
  /** @type {Flow | null} of the last half second */
  flow = null;
  #video;
  #clock;
  #on;
  #whep = session;
  #strip = new StripReader();
  #buffer = new Buffer();
  /** @type {RTCRtpReceiver | null} */
  #receiver = null;
  /** @type {import('./stats.js').Counters | null} */
  #counters = null;
  /** @type {RTCPeerConnection | null} whose counters they are */
  #counted = null;
  /** @type {Flow[]} */
  #flows = [];
  #frameWatched = false;
  #movedMs = 0;
  #laggingMs = 0;
  #open = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {import('./clock.js').RobotClock} clock
   * @param {{changed: () => void, sample: (flow: Flow | null) => void}} on `sample`: another
   *     count of the link
   */
  constructor(video, clock, on) {
    this.#video = video;
    this.#clock = clock;
    this.#on = on;
  }

  get problem() {
    return this.#whep.problem;
  }

  get connected() {
    return this.#whep.connected;
  }

  /** Play whenever the page can be seen. */
  open() {
    if (this.#open) return;
    this.#open = true;
    this.#whep.listen({
      track: (stream, receiver) => this.#play(stream, receiver), changed: this.#on.changed,
    });
    document.addEventListener('visibilitychange', () => this.#seen());
    globalThis.addEventListener('pagehide', () => this.#whep.close());
    globalThis.addEventListener('pageshow', () => this.#seen());
    globalThis.addEventListener('online', () => this.#whep.rejoin());
    setInterval(() => this.#count(), STATS_MS);
    this.#seen();
  }

  /** Nobody looks: nothing is sent. */
  #seen() {
    if (document.hidden) {
      this.#whep.close();
      this.age.gone();
      this.#on.changed();
    } else {
      this.#movedMs = performance.now();
      this.#whep.open();
    }
  }

  /** The link to the robot is back: no need to wait for the next attempt. */
  hurry() {
    this.#whep.hurry();
  }

  /** The mean speed of the last seconds; null: not receiving. */
  get speed() {
    if (this.#flows.length === 0) return null;
    const mean = (/** @type {'kbitS' | 'fps'} */ name) =>
      this.#flows.reduce((sum, flow) => sum + flow[name], 0) / this.#flows.length;
    return { kbitS: mean('kbitS'), fps: mean('fps') };
  }

  /** @param {MediaStream} stream @param {RTCRtpReceiver} receiver */
  #play(stream, receiver) {
    this.#receiver = receiver;
    this.#setBuffer(this.#buffer.step(null, performance.now()));
    this.age.gone();
    play(stream);
    this.#watchFrames();
  }

  /** @param {0 | null} target */
  #setBuffer(target) {
    const receiver = /** @type {any} */ (this.#receiver);
    if (receiver && 'jitterBufferTarget' in receiver && receiver.jitterBufferTarget !== target) {
      receiver.jitterBufferTarget = target;
    }
  }

  #watchFrames() {
    if (this.#frameWatched || !this.#video.requestVideoFrameCallback) return;
    this.#frameWatched = true;
    this.#video.requestVideoFrameCallback((_, about) => {
      this.#frameWatched = false;
      this.#frame(about);
      this.#watchFrames();
    });
  }

  /** Called for each new frame; has to be quick: it shares the thread with driving. @param {{width: number, height: number, presentationTime: number, receiveTime?: number}} about */
  #frame({ width, height, presentationTime: shownMs, receiveTime }) {
    const before = this.age.isLive(shownMs) && Number.isFinite(this.age.at(shownMs));
    const trip = this.#counters?.tripMs ?? null;
    // Where the browser tells when this very frame came in, that is better than a mean.
    const pathMs = receiveTime !== undefined && receiveTime <= shownMs
      ? shownMs - receiveTime + (trip ?? 0) / 2 : this.flow?.pathMs ?? null;
    this.age.frame({
      shownMs, width, height, pathMs,
      stampMs: this.#strip.read(this.#video), robotMs: this.#clock.at(shownMs),
    });
    if (!before) this.#on.changed();
  }

  /** A browser that does not tell of single frames: some were decoded since the last count. @param {number} now */
  #guessFrame(now) {
    const { videoWidth: width, videoHeight: height } = this.#video;
    this.#frame({ width, height, presentationTime: now });
  }

  async #count() {
    const peer = this.#whep.peer;
    let counters = null;
    try {
      counters = peer && this.#whep.connected ? count((await peer.getStats()).values()) : null;
    } catch (error) {
      // It was closed in between; the next one is asked next time.
      if (!(error instanceof DOMException)) throw error;
    }
    const same = peer === this.#counted;
    const flow = same ? between(this.#counters, counters) : null;
    // The first count of a session holds what it has cost up to now.
    if (counters) this.bytes += Math.max(0, counters.bytes - (same ? this.#counters?.bytes ?? 0 : 0));
    this.#counted = peer;
    this.#counters = counters;
    this.flow = flow;
    if (flow) this.#flows.push(flow);
    else this.#flows = [];
    if (this.#flows.length > SHOWN_FLOWS) this.#flows.shift();
    const now = performance.now();
    if (flow && flow.fps > 0 && !this.#video.requestVideoFrameCallback) this.#guessFrame(now);
    if (this.#receiver) this.#setBuffer(this.#buffer.step(flow && sampleOf(flow), now));
    this.#watchLag(flow, now);
    this.#on.sample(flow);
  }

  /** @param {Flow | null} flow @param {number} now */
  #watchLag(flow, now) {
    const live = this.age.isLive(now) && this.age.heardWithin(LINK_MS, now);
    if (!live || !this.#whep.connected || (flow && flow.bytes > 0 && flow.fps > 0)) this.#movedMs = now;
    const age = this.age.at(now);
    if (!live || !(flow && flow.fps > 0) || !(age > LAG_MS) || age === Infinity) this.#laggingMs = now;
    if (now - this.#movedMs < SILENT_MS && now - this.#laggingMs < LAG_FOR_MS) return;
    this.#movedMs = this.#laggingMs = now;
    this.#whep.rejoin();
  }
}

/** @param {Flow} flow @returns {import('./quality.js').Sample} */
export function sampleOf(flow) {
  return { lossShare: flow.lossShare, delayMs: flow.pathMs };
}
