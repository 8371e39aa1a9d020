// SPDX-License-Identifier: Apache-2.0
// The few helpers that every view needs to build and find elements.

import { t } from '../i18n.js';

const SVG = 'http://www.w3.org/2000/svg';

/** The element with this id; it is part of index.html. @param {string} id @returns {any} */
export function $(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element #${id}`);
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} attributes `class`, `text`, `onclick`..., else as they are
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') element.textContent = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.startsWith('aria-')) element.setAttribute(name, String(value));
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** A button whose text is a key. @param {string} key @param {() => void} onclick @param {string} kind */
export function button(key, onclick, kind = '') {
  return make('button', { type: 'button', class: kind, text: t(key), onclick });
}

/** @param {string} key of what it is for @param {string} autocomplete */
export function passwordField(key, autocomplete) {
  return make('input', {
    name: 'password', type: 'password', autocomplete, required: true,
    'aria-label': t(key), placeholder: t(key),
  });
}

/** @param {string} name of a symbol in index.html, without `i-` @param {string} kind */
export function icon(name, kind = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  if (kind) svg.setAttribute('class', kind);
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Write only what changed: a live region would be read out again. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {boolean} visible */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}
