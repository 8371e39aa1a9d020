// SPDX-License-Identifier: Apache-2.0
// The stage: picture (until there is one, the trail), what the robot reports, why it stands.

import { number, t } from '../i18n.js';
import { Trail } from '../trail.js';
import { $, say, show } from './dom.js';

const NOTICE_MS = 7000;
/** A round trip above this is worth a look, above the second it hurts. */
const FAIR_MS = 150;
const POOR_MS = 350;

export class StageView {
  #trail = new Trail($('trail'));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #noticeTimer;

  constructor() {
    $('wide').addEventListener('click', () => this.#toggleWide());
    document.addEventListener('fullscreenchange', () => {
      if (!document.fullscreenElement) this.#setWide(false);
    });
  }

  /** The whole page goes full screen, not the stage: the emergency stop must stay in sight. */
  #toggleWide() {
    const wide = !document.body.classList.contains('wide');
    this.#setWide(wide);
    const page = document.documentElement;
    if (wide) page.requestFullscreen?.().catch(() => undefined);  // without it: the wide layout only
    else if (document.fullscreenElement) document.exitFullscreen();
  }

  /** @param {boolean} wide */
  #setWide(wide) {
    document.body.classList.toggle('wide', wide);
    $('wide').setAttribute('aria-pressed', String(wide));
  }

  /** Say something for a while. @param {string} text */
  notice(text) {
    clearTimeout(this.#noticeTimer);
    say($('notice'), text);
    show($('notice'), true);
    this.#noticeTimer = setTimeout(() => show($('notice'), false), NOTICE_MS);
  }

  /** @param {import('../state.js').Pose} pose */
  moved(pose) {
    this.#trail.moved(pose);
  }

  /**
   * @param {import('../why.js').Reason} reason
   * @param {boolean} driving
   */
  renderWhy(reason, driving) {
    const now = driving && ['ok', 'rest'].includes(reason.level);
    $('why').dataset.level = now ? 'drive' : reason.level;
    say($('why'), t(now ? 'why.driving' : reason.key, reason.params));
  }

  /**
   * @param {import('../state.js').RobotState} state
   * @param {Record<string, string> | null} motor
   * @param {boolean} online
   */
  renderChips(state, motor, online) {
    const trip = state.roundTripMs;
    const known = online && trip !== null;
    $('chip-link').dataset.level = !known || trip > POOR_MS ? 'bad' : trip > FAIR_MS ? 'fair' : 'good';
    say($('chip-link'), known ? t('chips.link', { ms: Math.round(trip) })
      : t(online ? 'chips.link_measuring' : 'chips.link_down'));
    show($('chip-board'), online);  // without a link nothing is known of it
    const board = online && motor?.connected === 'true';
    $('chip-board').dataset.level = board ? 'good' : 'bad';
    say($('chip-board'), board ? t(motor?.reverse === 'unconfirmed' ? 'chips.board_unconfirmed'
      : 'chips.board') : t(motor ? 'chips.board_missing' : 'chips.motor_silent'));
    this.#renderBattery(online ? state.battery : null);
  }

  /** @param {import('../state.js').RobotState['battery']} battery */
  #renderBattery(battery) {
    show($('chip-battery'), battery !== null);
    if (!battery) return;
    const { percent, volts } = battery;
    $('chip-battery').dataset.level = percent !== null && percent < 15 ? 'bad'
      : percent !== null && percent < 35 ? 'fair' : 'good';
    say($('chip-battery'), percent !== null ? t('chips.battery', { percent: Math.round(percent) })
      : t('chips.battery_volts', { volts: number(volts ?? 0, 1) }));
  }
}
