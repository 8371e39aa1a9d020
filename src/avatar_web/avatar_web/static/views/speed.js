// SPDX-License-Identifier: Apache-2.0
// How fast: three presets and everything between them.

import { number, t } from '../i18n.js';
import { $, make, say } from './dom.js';

/** @type {[string, number][]} text key, percent of the robot's limits */
export const PRESETS = [['speed.slow', 25], ['speed.normal', 50], ['speed.fast', 100]];

export class SpeedView {
  #settings;

  /** @param {import('../settings.js').Settings} settings */
  constructor(settings) {
    this.#settings = settings;
    $('presets').append(...PRESETS.map(([key, percent]) => make('button', {
      type: 'button', 'data-text': key, 'data-percent': percent, text: t(key),
      onclick: () => settings.set('speed', percent),
    })));
    const range = $('speed-range');
    range.addEventListener('input', () => settings.set('speed', Number(range.value)));
    // A slider left in focus by the mouse would take the arrow keys from driving.
    range.addEventListener('pointerup', () => range.blur());
  }

  /** @param {number} maxSpeedMps */
  render(maxSpeedMps) {
    const percent = this.#settings.get('speed');
    const speed = t('speed.value', { speed: number((percent / 100) * maxSpeedMps, 2) });
    $('speed-range').value = String(percent);
    $('speed-range').setAttribute('aria-valuetext', speed);
    say($('speed-value'), maxSpeedMps ? speed : `${percent} %`);
    for (const button of $('presets').children) {
      button.setAttribute('aria-pressed', String(Number(button.dataset.percent) === percent));
    }
  }
}
