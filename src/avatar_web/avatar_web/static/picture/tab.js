// SPDX-License-Identifier: Apache-2.0
// The sheet's page about the picture: what it is like, what shall be sent, blind driving, sound.

import { t } from '../i18n.js';
import { make } from '../views/dom.js';
import { ageText, dataText, flowText, whyNone } from './hud.js';

const QUALITIES = /** @type {const} */ (['auto', '320p', '480p', '720p']);
const RATES = /** @type {const} */ ([10, 20, 30]);
/** @type {Record<string, string>} */
const NAMES = {
  auto: 'quality.auto', '320p': 'quality.small', '480p': 'quality.medium', '720p': 'quality.large',
};

/**
 * @param {HTMLElement} body
 * @param {import('./picture.js').Picture} picture
 * @param {import('../settings.js').Settings} settings
 */
export function renderPictureTab(body, picture, settings) {
  body.append(make('section', { id: 'picture-numbers' }), quality(picture, settings));
  writeNumbers(picture.shown);
  const { driver, mayDrive, blind } = picture.shown;
  if (driver) body.append(onOff('shutter', 'snapshot.sound', settings, () => undefined));
  if (!mayDrive) return;
  body.append(make('section', {}, make('h3', { text: t('blind.title') }),
    make('p', { text: t('blind.text') }), make('button', {
      type: 'button', 'aria-pressed': blind, text: t(blind ? 'blind.end' : 'blind.start'),
      onclick: () => picture.toggleBlind(),
    })));
}

/** Renew what changes by itself, where it is shown. @param {import('./hud.js').Shown} shown */
export function writeNumbers(shown) {
  const section = document.getElementById('picture-numbers');
  if (!section) return;
  const lines = [];
  if (shown.look !== 'away') {
    lines.push(t(shown.measured ? 'picture.how_measured' : 'picture.how_estimated'));
  }
  if (shown.speed) lines.push(flowText(shown.speed));
  lines.push(dataText(shown));
  const { profile, fps, viewers } = shown.stream ?? {};
  if (profile) lines.push(t('picture.sent', { profile, fps, viewers: viewers ?? '' }));
  section.replaceChildren(
    make('p', { class: 'state', text: shown.look === 'away' ? t(whyNone(shown)) : ageText(shown) }),
    make('ul', { class: 'help' }, ...lines.map((text) => make('li', { text }))));
}

/** @param {import('./picture.js').Picture} picture @param {import('../settings.js').Settings} settings */
function quality(picture, settings) {
  const saving = settings.get('dataSaver');
  const allowed = picture.mayChoose;
  const choose = (/** @type {string} */ name, /** @type {any} */ value) => {
    settings.set(name, value);
    picture.chosen();
  };
  const choice = (/** @type {string} */ name, /** @type {any} */ value, /** @type {string} */ text) =>
    make('button', {
      type: 'button', text, 'aria-pressed': settings.get(name) === value,
      'data-choice': `${name}-${value}`, disabled: !allowed || saving, onclick: () => choose(name, value),
    });
  return make('section', {}, make('h3', { text: t('quality.title') }),
    make('p', { text: t(allowed ? 'quality.text' : 'quality.not_yours') }),
    make('div', { class: 'choices', role: 'group', 'aria-label': t('quality.title') },
      ...QUALITIES.map((value) => choice('quality', value, t(NAMES[value])))),
    make('div', { class: 'choices', role: 'group', 'aria-label': t('quality.rate') },
      ...RATES.map((value) => choice('fps', value, t('quality.fps', { fps: value })))),
    onOff('dataSaver', 'quality.saver', settings, () => picture.chosen()));
}

/**
 * @param {string} name @param {string} title @param {import('../settings.js').Settings} settings
 * @param {() => void} changed
 */
function onOff(name, title, settings, changed) {
  const on = settings.get(name);
  return make('div', { class: 'pref', role: 'group', 'aria-label': t(title), 'data-setting': name },
    make('span', { text: t(title) }), make('button', {
      type: 'button', class: 'switch', 'aria-label': `${t(title)}: ${t(on ? 'prefs.on' : 'prefs.off')}`, 'aria-pressed': on,
      text: t(on ? 'prefs.on' : 'prefs.off'), onclick: () => {
        settings.set(name, !on);
        changed();
      },
    }));
}
