// SPDX-License-Identifier: Apache-2.0
// The driving view: puts inputs, link and views together. What each does is in its own file.

import { api, ApiError } from './api.js';
import { Connection } from './connection.js';
import { DwellPointer } from './dwell_pointer.js';
import { feed } from './feed.js';
import { t } from './i18n.js';
import { GamepadPoller } from './inputs/gamepad.js';
import { Keyboard } from './inputs/keyboard.js';
import { watchInterlocks } from './interlocks.js';
import { Picture } from './picture/picture.js';
import { Pilot } from './pilot.js';
import { RobotState } from './state.js';
import { refusedText, why } from './why.js';
import { ADMIN_TABS, sheetTabs } from './views/admin.js';
import { BoardView } from './views/board.js';
import { $, say, show } from './views/dom.js';
import { renderLight } from './views/health.js';
import { LeaseView } from './views/lease.js';
import { LightsView } from './views/lights.js';
import { Sheet } from './views/sheet.js';
import { SpeedView } from './views/speed.js';
import { StageView } from './views/stage.js';
import { StopView } from './views/stop.js';

/** What depends on time alone (a silent motor node, the next attempt) is looked at this often. */
const CLOCK_MS = 500;
const HISTORY_MS = 6000;

/** @typedef {{name: string, role: string, robot?: string, max_speed_mps?: number, max_turn_radps?: number,
 *     picture?: import('./picture/picture.js').About | null}} Session */

export class Cockpit {
  #settings;
  #session;
  #state = new RobotState();
  #connection;
  #pilot;
  #stop;
  #board;
  #lease;
  #speed;
  #lights;
  #stage = new StageView();
  #sheet;
  #dwell;
  #keyboard;
  /** @type {Picture | null} null: a robot without a camera */
  #picture = null;
  #focused = true;
  #resting = false;
  #limits = { maxSpeedMps: 0, maxTurnRadps: 0 };
  #rendering = false;

  /**
   * @param {Session} session
   * @param {import('./settings.js').Settings} settings
   * @param {(ended: boolean) => void} left logged out, or (`ended`) thrown out
   */
  constructor(session, settings, left) {
    this.#session = session;
    this.#settings = settings;
    const url = new URL('rosbridge', document.baseURI);
    url.protocol = url.protocol.replace('http', 'ws');
    const connection = this.#connection = new Connection(url.href);
    const notice = (/** @type {string} */ text) => this.#stage.notice(text);
    const changed = () => this.#changed();
    watchInterlocks(window, {
      stop: () => this.#away(), back: () => this.#back(), leaving: () => connection.close(),
    });
    this.#pilot = new Pilot(connection, () => this.#later());
    this.#stop = new StopView(connection, {
      pressed: () => {
        this.#pilot.interlock();
        changed();
      },
      changed,
      notice,
    });
    this.#board = new BoardView(this.#pilot, settings, {
      mayStart: () => ['ok', 'rest'].includes(this.#reason().level),
      spend: () => this.#dwell?.spend(),
    });
    this.#lease = new LeaseView(connection, this.#state, () => this.#sheet.open('people'));
    this.#speed = new SpeedView(settings);
    this.#lights = new LightsView(connection, notice);
    this.#dwell = new DwellPointer(() => this.#dwellState(), {
      fired: (element) => {
        // A look that was kept up is a person again, where another window took the keyboard.
        if (!this.#focused && element.dataset.dwell !== 'stop') this.#back();
        else this.#board.lookedAt(element);
      },
      left: () => this.#board.lookedAway(),
      moved: () => this.#board.pointerMoved(),
    });
    if (session.picture) {
      this.#picture = new Picture(session.picture, settings, connection, {
        driver: () => this.#role !== 'viewer', lease: () => this.#state.lease,
      }, {
        changed, notice, tab: () => this.#sheet.refresh('picture'),
        open: (tab) => this.#sheet.open(tab),
      });
    }
    this.#sheet = new Sheet(sheetTabs({
      settings, state: this.#state, connection, lease: this.#lease, who: session, notice,
      picture: this.#picture,
      motor: () => this.#state.motor(performance.now()),
      close: () => this.#sheet.close(), loggedOut: () => left(false),
    }), (tab) => !ADMIN_TABS.has(tab) || this.#role === 'admin');
    this.#keyboard = new Keyboard((wish, stale) => this.#pilot.wish('keyboard', wish, stale));
    connection.on('ended', () => left(true));
    connection.on('lost', () => this.#picture?.lost());
    connection.on('refused', () => this.#askWhoIAm(left));
    this.#listen();
    feed(this.#state, connection, {
      changed, later: () => this.#later(),
      hello: (hello) => this.#setLimits(hello),
      lease: (message) => this.#tookLease(message),
      people: () => this.#sheet.refresh('people'),
      refused: (code) => this.#refused(code),
      motor: (before, motor) => this.#heardMotor(before, motor),
      pose: (pose) => this.#stage.moved(pose),
      health: () => this.#healthChanged(),
      status: (text) => notice(t('status.error', { text })),
    });
  }

  /** No connection: because the robot is away, or because it does not know us any more? @param {(ended: boolean) => void} left */
  async #askWhoIAm(left) {
    try {
      await api('GET', 'api/session');
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) left(true);
    }
  }

  /** @returns {string} */
  get #role() {
    return this.#state.hello?.role ?? this.#session.role;
  }

  open() {
    show($('cockpit'), true);
    this.#setLimits(this.#session);
    this.#applySettings();
    this.#connection.open();
    this.#picture?.open();
    setInterval(() => this.#changed(), CLOCK_MS);
    this.retranslate();
  }

  /** The language changed. */
  retranslate() {
    this.#sheet.render();
    this.#board.render();
    this.#picture?.render();
    this.#changed();
  }

  #listen() {
    this.#keyboard.listen(window);
    this.#dwell.listen(window);
    new GamepadPoller({
      wish: (wish, stale) => this.#pilot.wish('gamepad', wish, stale),
      lost: () => this.#pilot.interlock(),
      stop: () => this.#stop.press(),
      presence: (connected) => show($('chip-gamepad'), connected),
    }).listen(window);
    $('rest').addEventListener('click', () => {
      this.#resting = !this.#resting;
      if (this.#resting) this.#board.lookedAway();
      this.#later();
    });
    this.#settings.onChange((name) => {
      if (name === 'method') {
        if (this.#settings.get('method') === 'gaze') this.#settings.set('dwell', true);
        this.#board.changedMethod();
      }
      this.#applySettings();
    });
  }

  /** @param {any} message */
  #tookLease(message) {
    const had = this.#state.lease.mine;
    const { lost, to } = this.#state.tookLease(message);
    if (had !== this.#state.lease.mine) this.#picture?.leaseChanged(!had);
    if (lost) {
      this.#pilot.interlock();
      this.#stage.notice(to ? t('lease.lost_to', { name: to }) : t('lease.lost'));
    }
    this.#sheet.refresh('people');
    this.#sheet.refresh('picture');
    this.#changed();
  }

  /** @param {string} code */
  #refused(code) {
    this.#pilot.refused(code);
    // Without the lease it is the taking of it that was refused.
    const key = this.#state.lease.mine ? '' : refusedText(code);
    if (key && code !== 'no_lease') this.#stage.notice(t(key));
  }

  /** Nobody is in front of the page any more, as far as it can tell. */
  #away() {
    this.#focused = false;
    this.#keyboard.drop();
    this.#pilot.interlock();
    this.#changed();
  }

  #back() {
    if (this.#focused) return;
    this.#focused = true;
    this.#connection.open();
    this.#connection.retryNow();
    this.#changed();
  }

  /** @param {Record<string, string> | null} before @param {Record<string, string>} motor */
  #heardMotor(before, motor) {
    // It was held up, or its board was gone for a moment: it drives when the hand has let go.
    if (motor.why === 'waiting_neutral' && before?.why !== motor.why && this.#state.lease.mine) {
      this.#pilot.refused(motor.why);
    }
    // The motor node may have been given other limits meanwhile.
    const speed = Number(motor.max_speed_mps);
    const turn = Number(motor.max_turn_radps);
    if (speed > 0 && turn > 0) this.#setLimits({ max_speed_mps: speed, max_turn_radps: turn });
    if (before?.self_test !== motor.self_test || before?.reverse !== motor.reverse) {
      this.#sheet.refresh('selftest');
    }
  }

  /** Its history is on the robot's disk a moment later. */
  #healthChanged() {
    this.#sheet.refresh('health');
    setTimeout(() => this.#sheet.refresh('health'), HISTORY_MS);
  }

  /** @param {{max_speed_mps?: number, max_turn_radps?: number}} about */
  #setLimits({ max_speed_mps: speed = 0, max_turn_radps: turn = 0 }) {
    this.#limits = { maxSpeedMps: speed, maxTurnRadps: turn };
    this.#pilot.setLimits(this.#limits);
    this.#board.setLimits(this.#limits);
  }

  #applySettings() {
    this.#pilot.setSpeed(this.#settings.get('speed') / 100, this.#settings.get('trim'));
    if (!this.#dwellState().on) this.#resting = false;
    this.#board.render();
    this.#later();
  }

  #dwellState() {
    const on = this.#settings.get('dwell') || this.#settings.get('method') === 'gaze';
    return {
      on, resting: this.#resting, pads: this.#board.padsDwell(this.#settings.get('dwell')),
      dwellMs: this.#settings.get('dwellMs'),
    };
  }

  /** Judge anew at once (it may have to stop), and draw soon. */
  #changed() {
    const { blocks, silent } = this.#reason();
    this.#pilot.block(blocks, silent);
    this.#later();
  }

  /** @returns {import('./why.js').Reason} */
  #reason() {
    const state = this.#state;
    const now = performance.now();
    const motor = state.motor(now);
    const refused = state.refusal(this.#pilot.held, now);
    return why({
      online: this.#connection.up, retryInS: this.#connection.retryInS,
      eStop: this.#stop.state, stopNumber: state.stopNumber(now),
      role: this.#role, lease: state.lease, motor,
      refused: refused.code, refusedText: refused.text,
      roundTripMs: state.gatewayRoundTripMs,
      maxRoundTripMs: (state.hello?.deadlines?.max_round_trip_s ?? Infinity) * 1000,
      needsRelease: this.#pilot.needsRelease,
      trackerLost: this.#board.trackerLost, focused: this.#focused, resting: this.#resting,
      picture: this.#picture?.lock ?? null,
    });
  }

  #later() {
    if (this.#rendering) return;
    this.#rendering = true;
    requestAnimationFrame(() => {
      this.#rendering = false;
      this.#render();
    });
  }

  #render() {
    const state = this.#state;
    const online = this.#connection.up;
    const motor = state.motor(performance.now());
    const viewer = this.#role === 'viewer';
    for (const id of ['robot-name', 'robot-title']) {
      say($(id), state.hello?.robot || this.#session.robot || 'avatar');
    }
    const reason = this.#reason();
    document.body.classList.toggle('cannot-drive', reason.blocks);
    this.#stage.renderWhy(reason, this.#pilot.moving !== null);
    this.#stage.renderChips(state, motor, online);
    renderLight(online ? state.health(performance.now()) : null);
    this.#board.render();
    this.#lease.render(online);
    this.#speed.render(this.#limits.maxSpeedMps);
    this.#lights.render(online ? motor : null, !viewer);
    this.#stop.render({
      number: state.stopNumber(performance.now()), boardConfirmed: motor?.e_stop_confirmed === 'true',
      mayReset: state.lease.mine && !viewer, viewer, held: motor?.held ?? '',
    });
    show($('rest'), this.#dwellState().on);
    $('rest').setAttribute('aria-pressed', String(this.#resting));
    say($('rest-text'), t(this.#resting ? 'rest.on' : 'rest.off'));
    document.body.classList.toggle('resting', this.#resting);
    document.body.classList.toggle('looking', this.#dwellState().on);
  }
}
