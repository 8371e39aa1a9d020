// SPDX-License-Identifier: Apache-2.0
// The two buttons on the stage: take a picture, record. The robot does both.

import { api, ApiError, apiText } from '../api.js';
import { t } from '../i18n.js';
import { $, show } from '../views/dom.js';
import { shutter } from './shutter.js';

export class Capture {
  #settings;
  #notice;
  #recording = '';

  /** @param {import('../settings.js').Settings} settings @param {(text: string) => void} notice */
  constructor(settings, notice) {
    this.#settings = settings;
    this.#notice = notice;
    $('snapshot').addEventListener('click', () => this.snapshot());
    $('record').addEventListener('click', () => this.record());
  }

  /** The file that is being written, '' for none. */
  get recording() {
    return this.#recording;
  }

  /** @param {Record<string, string>} stream */
  heard(stream) {
    this.#recording = stream.recording ?? '';
  }

  /** @param {boolean} allowed */
  render(allowed) {
    for (const id of ['snapshot', 'record']) show($(id), allowed);
    const on = this.#recording !== '';
    $('record').setAttribute('aria-pressed', String(on));
    $('record').setAttribute('aria-label', t(on ? 'record.stop' : 'record.start'));
    $('record').title = t(on ? 'record.stop' : 'record.start');
  }

  async snapshot() {
    if (this.#settings.get('shutter')) shutter();
    await this.#do('snapshot', async () => {
      const { name } = await api('POST', 'api/snapshots');
      this.#notice(t('snapshot.done', { name }));
    });
  }

  async record() {
    const on = this.#recording === '';
    await this.#do('record', async () => {
      const { name } = await api('POST', 'api/recordings', { on });
      if (!on) this.#notice(t('record.ended', { name }));  // what runs is said all the time
    });
  }

  /** @param {string} id of the button @param {() => Promise<void>} action */
  async #do(id, action) {
    $(id).setAttribute('aria-busy', 'true');
    try {
      await action();
    } catch (error) {
      this.#notice(problemText(error));
    } finally {
      $(id).removeAttribute('aria-busy');
    }
  }
}

/** The robot's own reason where it gave one. @param {unknown} error */
export function problemText(error) {
  if (error instanceof ApiError && error.code === 'refused') {
    return t('picture.robot_refused', { reason: error.message });
  }
  return t(apiText(error));
}
