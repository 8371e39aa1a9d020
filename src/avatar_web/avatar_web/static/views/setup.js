// SPDX-License-Identifier: Apache-2.0
// The very first account, made by whoever opened the one-time link.

import { api, apiText } from '../api.js';
import { t } from '../i18n.js';
import { $, say, show } from './dom.js';

/** As long as the gateway wants a password to be. */
export const SHORTEST_PASSWORD = 8;

/**
 * @param {string} password @param {string} again
 * @returns {string} the key of what is wrong, '' if nothing is
 */
export function passwordProblem(password, again) {
  if (password.length < SHORTEST_PASSWORD) return 'password.short';
  return password === again ? '' : 'password.differs';
}

/**
 * @param {() => void} done called when the account exists and is logged in
 * @returns {() => void} writes the note again, in another language
 */
export function showSetup(done) {
  const form = $('setup-form');
  let said = '';
  const write = () => {
    say($('setup-note'), said && t(said, { length: SHORTEST_PASSWORD }));
    show($('setup-note'), said !== '');
  };
  const complain = (/** @type {string} */ key) => {
    said = key;
    write();
  };
  form.addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const name = form.elements.name.value.trim();
    const password = form.elements.password.value;
    const problem = passwordProblem(password, form.elements.again.value);
    if (problem) {
      complain(problem);
      return;
    }
    try {
      await api('POST', 'api/setup', { name, password, remember: true });
      show($('setup'), false);
      done();
    } catch (error) {
      complain(apiText(error));
    }
  });
  show($('setup'), true);
  form.elements.name.focus();
  return write;
}
