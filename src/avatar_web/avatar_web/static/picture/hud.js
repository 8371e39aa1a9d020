// SPDX-License-Identifier: Apache-2.0
// What the stage says about the picture: how old, how much, and why there is none.

import { number, t } from '../i18n.js';
import { $, say, show } from '../views/dom.js';

/** An age above this is worth a look, above the second it hurts. */
const FAIR_MS = 200;
const POOR_MS = 500;
const MB = 1e6;
const S_PER_HOUR = 3600;

/**
 * @typedef {object} Shown
 * @property {import('./lock.js').Look} look
 * @property {number} ageMs @property {boolean} measured @property {number} clockErrorMs
 * @property {{kbitS: number, fps: number} | null} speed @property {number} bytes
 * @property {number} hours since the page was opened
 * @property {import('./whep.js').Problem} problem @property {boolean} connected
 * @property {boolean} online the robot is there at all
 * @property {Record<string, string> | null} stream the values of camera/stream_state
 * @property {boolean} blind @property {boolean} mayDrive has the lease @property {boolean} driver
 */

/** Why this page gets no picture. @type {Record<string, string>} */
const PROBLEMS = {
  no_webrtc: 'picture.no_webrtc',
  no_codec: 'picture.no_codec',
  blocked: 'picture.blocked',
  too_many: 'picture.too_many',
};

/** Why the robot sends none. @type {Record<string, string>} */
const REASONS = {
  no_camera: 'picture.no_camera',
  no_frames: 'picture.no_frames',
  bad_frames: 'picture.bad_frames',
  device_busy: 'picture.device_busy',
  encoder_failed: 'picture.encoder_failed',
  no_ffmpeg: 'picture.no_ffmpeg',
  server_down: 'picture.server_down',
  refused: 'picture.refused',
};

/** The key of the sentence that says why there is no picture. @param {Shown} shown */
export function whyNone({ problem, stream, connected, online }) {
  if (!online) return 'lease.offline';
  if (PROBLEMS[problem]) return PROBLEMS[problem];
  if (!stream) return 'picture.silent';
  if (stream.state === 'stalled') return REASONS[stream.reason] ?? 'picture.stalled';
  if (stream.state !== 'live' && REASONS[stream.reason]) return REASONS[stream.reason];
  return connected ? 'picture.coming' : 'picture.joining';
}

/** @param {number} ms */
export const seconds = (ms) => number(ms / 1000, ms < 10_000 ? 1 : 0);

/** How old, and how that is known. @param {Shown} shown */
export function ageText({ look, ageMs, measured }) {
  if (look === 'away') return t('picture.age_none');
  if (look === 'old') return t('picture.age_old', { seconds: seconds(ageMs) });
  return t(measured ? 'picture.age_measured' : 'picture.age_estimated', { ms: Math.round(ageMs) });
}

export class Hud {
  /** @param {Shown} shown */
  render(shown) {
    $('stage').dataset.picture = shown.look;
    show($('picture'), shown.look !== 'away');
    this.#chips(shown);
    // Without the robot there is no picture either: the stage says that already.
    const text = shown.look === 'away' ? (shown.online ? t(whyNone(shown)) : '')
      : shown.look === 'old' ? t('picture.old', { seconds: seconds(shown.ageMs) }) : '';
    say($('picture-note'), text);
    show($('picture-note'), text !== '');
    this.#blind(shown);
  }

  /** @param {Shown} shown */
  #chips(shown) {
    const { look, ageMs, speed, bytes } = shown;
    $('chip-picture').dataset.level = look !== 'live' || ageMs > POOR_MS ? 'bad'
      : ageMs > FAIR_MS ? 'fair' : 'good';
    say($('chip-picture'), ageText(shown));
    show($('chip-picture'), true);
    show($('chip-flow'), speed !== null && look !== 'away');
    if (speed) say($('chip-flow'), flowText(speed));
    show($('chip-data'), bytes > 0);
    say($('chip-data'), dataText(shown));
    const file = shown.stream?.recording ?? '';
    show($('chip-record'), file !== '');
    if (file) {
      const passed = Math.floor(Number(shown.stream?.recording_s) || 0);
      const time = `${Math.floor(passed / 60)}:${String(passed % 60).padStart(2, '0')}`;
      say($('chip-record'), t('record.chip', { time, file }));
    }
  }

  /** @param {Shown} shown */
  #blind({ look, blind, mayDrive }) {
    show($('blind'), mayDrive && (blind || look !== 'live'));
    $('blind').dataset.on = String(blind);
    say($('blind-text'), blind ? t('blind.on') : '');
    say($('blind-toggle'), t(blind ? 'blind.end' : 'blind.start'));
  }
}

/** @param {{kbitS: number, fps: number}} speed */
export function flowText({ kbitS, fps }) {
  return t('picture.flow', { fps: number(fps), kbit: number(kbitS) });
}

/** @param {Shown} shown */
export function dataText({ bytes, speed }) {
  const perHour = ((speed?.kbitS ?? 0) * 1000 * S_PER_HOUR) / 8;
  return t('picture.data', {
    mb: number(bytes / MB, bytes < 10 * MB ? 1 : 0), hour: number(perHour / MB),
  });
}
