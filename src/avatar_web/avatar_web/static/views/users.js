// SPDX-License-Identifier: Apache-2.0
// Accounts, for admins: add, remove, role, new password, where they are signed in.

import { api, apiText } from '../api.js';
import { t } from '../i18n.js';
import { ask } from './ask.js';
import { fillDevices } from './account.js';
import { button, make, passwordField } from './dom.js';
import { ROLES } from './people.js';
import { SHORTEST_PASSWORD, passwordProblem } from './setup.js';

/** @param {HTMLElement} body @param {string} me */
export function renderUsers(body, me) {
  const note = make('p', { class: 'form-note', role: 'alert' });
  const list = make('ul', { class: 'rows' });
  const attempt = async (/** @type {() => Promise<any>} */ action) => {
    note.textContent = '';
    try {
      await action();
      await fill();
      return true;
    } catch (error) {
      note.textContent = t(apiText(error));
      return false;
    }
  };
  const fill = async () => {
    const answer = await api('GET', 'api/users');
    list.replaceChildren(...(answer.users ?? answer).map((/** @type {any} */ user) => userLine(
      user, user.name === me, attempt, note)));
  };
  body.append(make('section', {}, note, list), make('section', {},
    make('h3', { text: t('users.add') }), newUser(attempt, note)));
  attempt(async () => undefined);
}

/**
 * @param {{name: string, role: string}} user @param {boolean} isMe
 * @param {(action: () => Promise<any>) => Promise<boolean>} attempt @param {HTMLElement} note
 */
function userLine(user, isMe, attempt, note) {
  const path = `api/users/${encodeURIComponent(user.name)}`;
  const line = make('li', {}, make('span', { class: 'grow' },
    make('strong', { text: isMe ? t('people.you', { name: user.name }) : user.name }),
    make('small', { text: t(ROLES[user.role] ?? 'role.viewer') })));
  // One thing of an account is open at a time; the same button closes it.
  let open = '';
  const toggle = (/** @type {string} */ name, /** @type {() => HTMLElement} */ build) => {
    line.querySelector('.inline')?.remove();
    open = open === name ? '' : name;
    if (!open) return;
    const part = build();
    line.append(part);
    part.querySelector('input')?.focus();
  };
  const roleChoice = () => make('div', { class: 'inline' }, ...Object.keys(ROLES).map((role) =>
    make('button', {
      type: 'button', text: t(ROLES[role]), 'aria-pressed': role === user.role,
      onclick: () => attempt(() => api('POST', `${path}/role`, { role })),
    })));
  const newPassword = () => {
    const field = passwordField('login.password', 'new-password');
    const form = make('form', { class: 'inline' }, field, make('button', {
      type: 'submit', text: t('users.save'),
    }));
    form.addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const problem = passwordProblem(field.value, field.value);
      if (problem) note.textContent = t(problem, { length: SHORTEST_PASSWORD });
      else attempt(() => api('POST', `${path}/password`, { password: field.value }));
    });
    return form;
  };
  const devices = () => {
    const list = make('ul', { class: 'inline rows' });
    fillDevices(list, note, user.name);
    return list;
  };
  line.append(button('users.password', () => toggle('password', newPassword)),
    button('account.show_devices', () => toggle('devices', devices)));
  if (!isMe) {
    line.append(button('users.role', () => toggle('role', roleChoice)));
    line.append(button('users.remove', async () => {
      if (await ask('users.remove_ask', 'users.remove_yes', { name: user.name })) {
        attempt(() => api('DELETE', path));
      }
    }));
  }
  return line;
}

/**
 * @param {(action: () => Promise<any>) => Promise<boolean>} attempt @param {HTMLElement} note
 */
function newUser(attempt, note) {
  const name = make('input', {
    name: 'name', autocomplete: 'off', autocapitalize: 'none', maxlength: 32, required: true,
    'aria-label': t('login.name'), placeholder: t('login.name'),
  });
  const password = passwordField('login.password', 'new-password');
  // Buttons, because a list that folds out cannot be opened by looking.
  let role = 'driver';
  const roles = make('div', { class: 'choices', role: 'group', 'aria-label': t('users.role') },
    ...['driver', 'viewer', 'admin'].map((value) => make('button', {
      type: 'button', text: t(ROLES[value]), 'aria-pressed': value === role, 'data-role': value,
      onclick: () => choose(value),
    })));
  const choose = (/** @type {string} */ value) => {
    role = value;
    for (const one of roles.children) {
      one.setAttribute('aria-pressed', String(one.dataset.role === value));
    }
  };
  const form = make('form', { class: 'stack', id: 'new-user' }, name, password, roles,
    make('button', { type: 'submit', class: 'primary', text: t('users.add') }));
  form.addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const problem = passwordProblem(password.value, password.value);
    if (problem) {
      note.textContent = t(problem, { length: SHORTEST_PASSWORD });
    } else if (await attempt(() => api('POST', 'api/users', {
      name: name.value.trim(), password: password.value, role,
    }))) {
      form.reset();
      choose('driver');
    }
  });
  return form;
}
