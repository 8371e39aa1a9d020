// SPDX-License-Identifier: Apache-2.0
// Who is here, and giving control to one of them.

import { t } from '../i18n.js';
import { button, make } from './dom.js';

/** @type {Record<string, string>} */
export const ROLES = { viewer: 'role.viewer', driver: 'role.driver', admin: 'role.admin' };

/**
 * @param {HTMLElement} body
 * @param {import('../state.js').RobotState} state
 * @param {import('./lease.js').LeaseView} lease
 * @param {() => void} done called after control was offered to somebody
 */
export function renderPeople(body, state, lease, done) {
  const { people, hello } = state;
  const others = new Set(lease.others());
  body.append(make('ul', { class: 'rows' }, ...people.map((person) => {
    const me = person.session === hello?.session;
    const line = make('li', {}, make('span', { class: 'grow' },
      make('strong', { text: me ? t('people.you', { name: person.name }) : person.name }),
      make('small', { text: t(ROLES[person.role] ?? 'role.viewer') })));
    if (state.lease.mine && others.has(person)) {
      line.append(button('people.give', () => {
        done();
        lease.give(person);
      }));
    }
    return line;
  })));
  if (!state.lease.mine) return;
  const allowed = state.lease.allow_cmd_vel;
  body.append(make('section', {}, make('h3', { text: t('people.programs') }),
    make('p', { text: t(allowed ? 'people.programs_on' : 'people.programs_off') }),
    button(allowed ? 'people.programs_forbid' : 'people.programs_allow', () => lease.allow(!allowed))));
}
