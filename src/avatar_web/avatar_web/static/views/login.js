// SPDX-License-Identifier: Apache-2.0
// The door: name and password.

import { api, apiText } from '../api.js';
import { t } from '../i18n.js';
import { $, say, show } from './dom.js';

/**
 * Show the login; when somebody is in, `entered` is called.
 * @param {() => void} entered
 * @param {string} reason key of why there is no session any more, or ''
 */
export function showLogin(entered, reason) {
  const form = $('login-form');
  const note = $('login-note');
  if (reason) say(note, t(reason));
  show(note, reason !== '');
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
      say(note, t(apiText(error)));
      show(note, true);
      password.select();
    } finally {
      submit.disabled = false;
    }
  });
  show($('login'), true);
  form.elements.name.focus();
}
