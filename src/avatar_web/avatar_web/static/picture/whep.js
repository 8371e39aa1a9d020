// SPDX-License-Identifier: Apache-2.0
// One WHEP session to the robot's camera, joined again until it is closed. Whatever goes wrong ends
// in #fail: teardown, wait, again.

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 5000;
/** No way through the network found in this time (or no answer at all): there is probably none. */
const CONNECT_MS = 8000;
/** A connection that lost its other end comes back within this time, or not at all. */
const LOST_MS = 2000;
/** Candidates that are found within this time travel together. */
const TRICKLE_MS = 30;

/**
 * Why there is no connection: no_webrtc and no_codec (this browser cannot), blocked (the network
 * does not let it through), too_many, server_down, forbidden, offline, lost.
 * @typedef {'' | 'no_webrtc' | 'no_codec' | 'blocked' | 'too_many' | 'server_down' | 'forbidden'
 *     | 'offline' | 'lost'} Problem
 */

/**
 * `track`: a picture arrives; `changed`: look at the state again.
 * @typedef {{track: (stream: MediaStream, receiver: RTCRtpReceiver) => void,
 *     changed: () => void}} Listener
 */

/** @type {Record<string, Problem>} the gateway's code -> what it means for a person */
const CODES = { no_h264: 'no_codec', too_many: 'too_many', busy: 'too_many' };
/** What no further attempt will change. @type {Set<Problem>} */
const HOPELESS = new Set(['no_webrtc', 'no_codec']);

class Failure extends Error {
  /** @param {Problem} problem @param {string} text */
  constructor(problem, text) {
    super(text);
    this.problem = problem;
  }
}

/** What belongs to one attempt; the answers of an older one are not ours any more. */
class Attempt {
  abort = new AbortController();
  /** @type {RTCPeerConnection | null} */
  pc = null;
  session = '';
  /** @type {RTCIceCandidate[]} found, not sent yet */
  candidates = [];
  /** @type {any[]} */
  timers = [];
  wasConnected = false;
  /** @type {[MediaStream, RTCRtpReceiver] | null} the picture that arrives */
  track = null;
}

export class Whep {
  #url;
  #on;
  #Peer;
  #fetch;
  #iceServers;
  /** @type {Attempt | null} */
  #attempt = null;
  /** @type {any} */
  #retryTimer = null;
  #retryMs = FIRST_RETRY_MS;
  #wanted = false;
  #connected = false;
  /** @type {Problem} */
  #problem = '';

  /**
   * @param {string} url
   * @param {Listener} on
   * @param {{iceServers?: () => Promise<RTCIceServer[]>, Peer?: any, fetch?: any}} parts
   */
  constructor(url, on, {
    iceServers = async () => [], Peer = globalThis.RTCPeerConnection,
    fetch = globalThis.fetch?.bind(globalThis),
  } = {}) {
    this.#url = url;
    this.#on = on;
    this.#iceServers = iceServers;
    this.#Peer = Peer;
    this.#fetch = fetch;
  }

  get connected() {
    return this.#connected;
  }

  /** Why the last attempt failed, '' while there is a connection. @returns {Problem} */
  get problem() {
    return this.#problem;
  }

  /** The connection of now, for its statistics. @returns {RTCPeerConnection | null} */
  get peer() {
    return this.#attempt?.pc ?? null;
  }

  /** Tell somebody else from now on, also of a picture that arrives already. @param {Listener} on */
  listen(on) {
    this.#on = on;
    if (this.#attempt?.track) on.track(...this.#attempt.track);
  }

  /** Join, and join again whenever it ends. */
  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#retryMs = FIRST_RETRY_MS;
    this.#join();
  }

  /** Leave this session and join a new one now: the network is another one, or it lags. */
  rejoin() {
    if (!this.#wanted || HOPELESS.has(this.#problem)) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.#teardown();
    this.#join();
  }

  /** Do not wait for the next attempt: what stood in the way may be gone. */
  hurry() {
    if (!this.#retryTimer) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.#teardown();
    this.#join();
  }

  /** End the session: nothing is sent to this page any more. */
  close() {
    this.#wanted = false;
    this.#teardown();
    this.#problem = '';
    this.#on.changed();
  }

  async #join() {
    const attempt = this.#attempt = new Attempt();
    try {
      const pc = await this.#offer(attempt);
      const sdp = await this.#post(attempt, pc.localDescription?.sdp ?? '');
      if (attempt !== this.#attempt) return;
      await pc.setRemoteDescription({ type: 'answer', sdp });
      this.#trickle(attempt);
    } catch (error) {
      this.#fail(attempt, error instanceof Failure ? error.problem : 'offline', error);
    }
  }

  /** @param {Attempt} attempt @returns {Promise<RTCPeerConnection>} */
  async #offer(attempt) {
    if (!this.#Peer) throw new Failure('no_webrtc', 'this browser has no RTCPeerConnection');
    const codecs = h264Codecs();
    if (codecs?.length === 0) throw new Failure('no_codec', 'this browser has no H.264');
    const servers = this.#iceServers();
    const pc = /** @type {RTCPeerConnection} */ (new this.#Peer());
    attempt.pc = pc;
    const video = pc.addTransceiver('video', { direction: 'recvonly' });
    if (codecs) video.setCodecPreferences?.(codecs);
    pc.ontrack = ({ track, receiver }) => {
      if (attempt !== this.#attempt) return;
      attempt.track = [new MediaStream([track]), receiver];
      this.#on.track(...attempt.track);
    };
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      attempt.candidates.push(candidate);
      if (attempt.candidates.length === 1) {
        attempt.timers.push(setTimeout(() => this.#trickle(attempt), TRICKLE_MS));
      }
    };
    pc.onconnectionstatechange = () => this.#stateChanged(attempt, pc.connectionState);
    attempt.timers.push(setTimeout(() => {
      if (attempt.wasConnected) return;
      const problem = attempt.session ? 'blocked' : 'offline';
      this.#fail(attempt, problem, `not connected after ${CONNECT_MS} ms`);
    }, CONNECT_MS));
    // Both take their time; the ways through the network are looked for from here on.
    const [iceServers, offer] = await Promise.all([servers, pc.createOffer()]);
    if (attempt !== this.#attempt) throw new Failure('', 'another attempt has begun');
    pc.setConfiguration({ iceServers });
    await pc.setLocalDescription(offer);
    return pc;
  }

  /** @param {Attempt} attempt @param {string} offer @returns {Promise<string>} the answer */
  async #post(attempt, offer) {
    const response = await this.#fetch(this.#url, {
      method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer,
      credentials: 'same-origin', cache: 'no-store', signal: attempt.abort.signal,
    });
    const text = await response.text();
    if (response.status !== 201) throw new Failure(meaning(response.status, text), text);
    const location = response.headers.get('Location');
    attempt.session = location ? new URL(location, response.url || undefined).href : '';
    return text;
  }

  /** Tell the robot which ways lead here. @param {Attempt} attempt */
  async #trickle(attempt) {
    const offer = attempt.pc?.localDescription?.sdp;
    if (!attempt.session || !offer || attempt.candidates.length === 0) return;
    const body = fragment(offer, attempt.candidates.splice(0));
    try {
      const response = await this.#fetch(attempt.session, {
        method: 'PATCH', headers: { 'Content-Type': 'application/trickle-ice-sdpfrag' }, body,
        credentials: 'same-origin', signal: attempt.abort.signal,
      });
      if (response.status === 404) this.#fail(attempt, 'lost', 'the session is over');
    } catch (error) {
      // The robot usually finds the way by itself, from the checks that this browser sends.
      if (!attempt.abort.signal.aborted) console.info('ICE candidates were not sent:', error);
    }
  }

  /** @param {Attempt} attempt @param {RTCPeerConnectionState} state */
  #stateChanged(attempt, state) {
    if (attempt !== this.#attempt) return;
    this.#connected = state === 'connected';
    if (state === 'connected') {
      attempt.wasConnected = true;
      this.#problem = '';
      this.#retryMs = FIRST_RETRY_MS;
    } else if (state === 'failed' || state === 'closed') {
      this.#fail(attempt, attempt.wasConnected ? 'lost' : 'blocked', state);
      return;
    } else if (state === 'disconnected') {
      attempt.timers.push(setTimeout(() => {
        if (attempt === this.#attempt && !this.#connected) this.#fail(attempt, 'lost', state);
      }, LOST_MS));
    }
    this.#on.changed();
  }

  /**
   * The one way out of every error.
   * @param {Attempt} attempt @param {Problem} problem @param {unknown} reason
   */
  #fail(attempt, problem, reason) {
    if (attempt !== this.#attempt) return;
    if (problem !== this.#problem) console.info(`picture: ${problem}:`, String(reason));
    this.#teardown();
    this.#problem = problem;
    if (this.#wanted && !HOPELESS.has(problem)) {
      const wait = this.#retryMs * (0.8 + 0.4 * Math.random());
      this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = null;
        this.#join();
      }, wait);
    }
    this.#on.changed();
  }

  #teardown() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    const attempt = this.#attempt;
    this.#attempt = null;
    this.#connected = false;
    if (!attempt) return;
    for (const timer of attempt.timers) clearTimeout(timer);
    attempt.abort.abort();
    if (attempt.pc) {
      attempt.pc.ontrack = attempt.pc.onicecandidate = attempt.pc.onconnectionstatechange = null;
      attempt.pc.close();
    }
    if (!attempt.session) return;
    // Also while the page is being left. A session that is over already is what was wanted.
    this.#fetch(attempt.session, { method: 'DELETE', credentials: 'same-origin', keepalive: true })
      .catch((/** @type {unknown} */ error) => console.info('picture: not signed off:', error));
  }
}

/** H.264 and what repairs it; null where a browser does not tell. @returns {any[] | null} */
function h264Codecs() {
  const codecs = globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs;
  if (!codecs) return null;
  const named = (/** @type {RegExp} */ name) => codecs.filter(({ mimeType }) => name.test(mimeType));
  const h264 = named(/^video\/h264$/i);
  return h264.length ? [...h264, ...named(/^video\/rtx$/i)] : [];
}

/** @param {number} status @param {string} text the body of the answer @returns {Problem} */
function meaning(status, text) {
  if (status === 401 || status === 403) return 'forbidden';
  try {
    const problem = CODES[JSON.parse(text)?.code];
    if (problem) return problem;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;  // a proxy's page: the status says enough
  }
  return 'server_down';
}

/**
 * The candidates as RFC 8840 wants them.
 * @param {string} offer @param {RTCIceCandidate[]} candidates all of the one video section
 */
export function fragment(offer, candidates) {
  const line = (/** @type {string} */ start) =>
    offer.split('\r\n').find((one) => one.startsWith(start)) ?? '';
  return [line('a=ice-ufrag:'), line('a=ice-pwd:'), line('m='), line('a=mid:') || 'a=mid:0',
    ...candidates.map(({ candidate }) => `a=${candidate}`), ''].join('\r\n');
}
