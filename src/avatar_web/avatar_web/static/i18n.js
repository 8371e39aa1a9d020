// SPDX-License-Identifier: Apache-2.0
// Texts in the chosen language, for code (`t`) and for elements that name their text.

import en from './texts/en.js';
import ro from './texts/ro.js';
import de from './texts/de.js';
import enSystem from './texts/system/en.js';
import roSystem from './texts/system/ro.js';
import deSystem from './texts/system/de.js';

/** @type {Record<string, Record<string, string>>} */
export const TEXTS = {
  en: { ...en, ...enSystem }, ro: { ...ro, ...roSystem }, de: { ...de, ...deSystem },
};

let language = 'en';

/** @param {string} name en, ro or de */
export function useLanguage(name) {
  language = name in TEXTS ? name : 'en';
}

export const currentLanguage = () => language;

/**
 * The text of a key, with {name} filled in.
 * @param {string} key
 * @param {Record<string, string | number>} params
 */
export function t(key, params = {}) {
  const text = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

/** @type {[string, string][]} attribute naming the key -> attribute that gets the text */
const ATTRIBUTES = [
  ['data-label', 'aria-label'],
  ['data-hint', 'title'],
  ['data-placeholder', 'placeholder'],
];

/** Write all texts of a part of the page again. @param {ParentNode} root */
export function translate(root) {
  for (const element of root.querySelectorAll('[data-text]')) {
    element.textContent = t(element.getAttribute('data-text') ?? '');
  }
  for (const [from, to] of ATTRIBUTES) {
    for (const element of root.querySelectorAll(`[${from}]`)) {
      element.setAttribute(to, t(element.getAttribute(from) ?? ''));
    }
  }
}

/** A number as people of this language write it. @param {number} value @param {number} digits */
export function number(value, digits = 0) {
  return value.toLocaleString(language, {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}
