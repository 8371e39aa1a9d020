// SPDX-License-Identifier: Apache-2.0
// The language buttons, wherever the page has a place for them.

import { translate, useLanguage } from '../i18n.js';
import { LANGUAGES } from '../settings.js';
import { make } from './dom.js';

/** A language is written in itself: no keys. */
const NAMES = { en: 'English', ro: 'Română', de: 'Deutsch' };

/**
 * Follow the language setting now and at each change.
 * @param {import('../settings.js').Settings} settings
 * @param {() => void} changed texts that code has written have to be written again
 */
export function followLanguage(settings, changed) {
  for (const place of document.querySelectorAll('.languages')) {
    place.append(...LANGUAGES.map((name) => make('button', {
      type: 'button', lang: name, 'data-language': name, 'aria-label': `${name.toUpperCase()}, ${NAMES[name]}`,
      text: name.toUpperCase(), onclick: () => settings.set('language', name),
    })));
  }
  const apply = () => {
    const language = settings.get('language');
    useLanguage(language);
    document.documentElement.lang = language;
    translate(document);
    for (const button of document.querySelectorAll('[data-language]')) {
      button.setAttribute('aria-pressed', String(button.getAttribute('data-language') === language));
    }
  };
  apply();
  settings.onChange((name) => {
    if (name !== 'language') return;
    apply();
    changed();
  });
}
