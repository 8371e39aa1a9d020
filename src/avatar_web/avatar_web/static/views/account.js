// SPDX-License-Identifier: Apache-2.0
// The account of whoever is here: devices that stay logged in, the session report, the way out.

import { api, apiText } from '../api.js';
import { currentLanguage, t } from '../i18n.js';
import { button, make, passwordField } from './dom.js';
import { SHORTEST_PASSWORD, passwordProblem } from './setup.js';

/** @param {number} seconds since 1970 */
const when = (seconds) => new Date(seconds * 1000).toLocaleString(currentLanguage(), {
  dateStyle: 'medium', timeStyle: 'short',
});

/**
 * @param {HTMLElement} body
 * @param {{name: string, role: string}} who
 * @param {() => void} loggedOut
 */
export function renderAccount(body, who, loggedOut) {
  const logout = async () => {
    try {
      await api('POST', 'api/logout');
    } catch (error) {
      note.textContent = t(apiText(error));
      return;
    }
    loggedOut();
  };
  const note = make('p', { class: 'form-note', role: 'status' });
  const devices = make('ul', { class: 'rows', 'aria-busy': 'true' });
  body.append(
    make('section', {}, make('h3', { text: t('account.title', { name: who.name }) }),
      make('div', { class: 'row' },
        make('a', { class: 'button', href: 'api/report', download: '', text: t('account.report') }),
        button('account.logout', logout))),
    note,
    make('section', {}, make('h3', { text: t('account.devices') }), devices),
    make('section', {}, make('h3', { text: t('account.password') }), ownPassword(note)));
  fillDevices(devices, note);
}

/** @param {HTMLElement} note */
function ownPassword(note) {
  const current = passwordField('login.password', 'current-password');
  const next = passwordField('users.password', 'new-password');
  const form = make('form', { class: 'stack' }, current, next,
    make('button', { type: 'submit', text: t('users.save') }));
  form.addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const problem = passwordProblem(next.value, next.value);
    try {
      if (!problem) {
        await api('POST', 'api/password', { current: current.value, password: next.value });
        form.reset();
      }
      note.textContent = t(problem || 'account.password_saved', { length: SHORTEST_PASSWORD });
    } catch (error) {
      note.textContent = t(apiText(error));
    }
  });
  return form;
}

/**
 * Show where somebody is signed in, each with a way to end it.
 * @param {HTMLElement} list @param {HTMLElement} note
 * @param {string} [user] for admins; without it: one's own
 */
export async function fillDevices(list, note, user) {
  const query = user === undefined ? '' : `?user=${encodeURIComponent(user)}`;
  try {
    const answer = await api('GET', `api/devices${query}`);
    if (!answer.devices.length) {
      list.replaceChildren(make('li', { text: t('account.nowhere') }));
    } else list.replaceChildren(...answer.devices.map((/** @type {any} */ device) => {
      const line = make('li', {}, make('span', { class: 'grow' },
        make('strong', { text: device.device || device.name || t('account.device') }),
        make('small', { text: device.current ? t('account.this_device')
          : device.last_seen ? t('account.seen', { when: when(device.last_seen) }) : '' })));
      if (!device.current) {
        line.append(button('account.revoke', async () => {
          try {
            await api('DELETE', `api/devices/${encodeURIComponent(device.id)}`);
          } catch (error) {
            note.textContent = t(apiText(error));
          }
          fillDevices(list, note, user);
        }));
      }
      return line;
    }));
  } catch (error) {
    note.textContent = t(apiText(error));
  }
  list.removeAttribute('aria-busy');
}
