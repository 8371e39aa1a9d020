// SPDX-License-Identifier: Apache-2.0
// One question at a time, in the middle of the stage: it never covers the emergency stop.

import { t } from '../i18n.js';
import { $, say, show } from './dom.js';

/** @type {((answer: boolean) => void) | null} */
let answer = null;
let write = () => {};

/** Take the question back; it counts as no. */
export function cancelAsk() {
  answer?.(false);
}

/** The language changed. */
export function retranslateAsk() {
  if (answer) write();
}

/**
 * @param {string} text key of the question
 * @param {string} yes key of what the confirming button says
 * @param {Record<string, string | number>} params for both
 * @returns {Promise<boolean>}
 */
export function ask(text, yes, params = {}) {
  cancelAsk();
  const before = document.activeElement;
  write = () => {
    say($('ask-text'), t(text, params));
    say($('ask-yes'), t(yes, params));
  };
  write();
  show($('ask'), true);
  $('ask-no').focus();
  return new Promise((resolve) => {
    const close = (/** @type {boolean} */ value) => {
      answer = null;
      show($('ask'), false);
      $('ask-yes').onclick = $('ask-no').onclick = $('ask').onkeydown = null;
      if (before instanceof HTMLElement) before.focus();
      resolve(value);
    };
    answer = close;
    $('ask-yes').onclick = () => close(true);
    $('ask-no').onclick = () => close(false);
    $('ask').onkeydown = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Escape') close(false);
    };
  });
}
