// SPDX-License-Identifier: Apache-2.0
// The door: name and password.

import { api, apiText } from '../api.js';
import { t } from '../i18n.js';
import { $, say, show } from './dom.js';

/**
 * Show the login; when somebody is in, `entered` is called.
 * @param {() => void} entered
 * @param {string} reason key of why there is no session any more, or ''
 * @returns {() => void} writes the note again, in another language
 */
export function showLogin(entered, reason) {
  const form = $('login-form');
  const note = $('login-note');
  let said = reason;
  const write = () => {
    say(note, said && t(said));
    show(note, said !== '');
  };
  form.addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const { name, password, remember } = form.elements;
    const submit = form.querySelector('[type=submit]');
    submit.disabled = true;
    try {
      await api('POST', 'api/login', {
        name: name.value.trim(), password: password.value, remember: remember.checked,
      });
      password.value = '';
      show($('login'), false);
      entered();
    } catch (error) {
      said = apiText(error);
      write();
      password.select();
    } finally {
      submit.disabled = false;
    }
  });
  write();
  show($('login'), true);
  form.elements.name.focus();
  return write;
}
