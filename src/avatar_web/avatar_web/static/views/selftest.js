// SPDX-License-Identifier: Apache-2.0
// The self-test, for admins: the tracks turn, and a person says which backward run was faster.

import { t } from '../i18n.js';
import { ask } from './ask.js';
import { button, make } from './dom.js';

/**
 * @param {HTMLElement} body
 * @param {Record<string, string> | null} motor
 * @param {import('../connection.js').Connection} connection
 * @param {(text: string) => void} notice
 */
export function renderSelfTest(body, motor, connection, notice) {
  const call = async (/** @type {string} */ service, args = {}) => {
    try {
      await connection.call(service, args);
    } catch (error) {
      notice(t('selftest.failed', { reason: error instanceof Error ? error.message : '' }));
    }
  };
  const state = motor?.self_test ?? '';
  const reverse = t({
    inverted: 'selftest.reverse_inverted', straight: 'selftest.reverse_straight',
  }[motor?.reverse ?? ''] ?? 'selftest.reverse_unconfirmed');
  const start = async () => {
    if (await ask('selftest.ask', 'selftest.yes')) call('motor/self_test');
  };
  body.append(make('section', {}, make('h3', { text: t('selftest.title') }),
    make('p', { text: t('selftest.text') }), make('p', { text: reverse }),
    make('p', { class: 'state', role: 'status', text: stateText(state) }),
    make('div', { class: 'row' }, button('selftest.start', start, 'primary'),
      button('selftest.reconnect', () => call('motor/reconnect')))));
  if (state !== 'done' || motor?.reverse !== 'unconfirmed') return;
  body.append(make('section', {}, make('h3', { text: t('selftest.question') }),
    make('div', { class: 'row' },
      button('selftest.first', () => call('motor/confirm_reverse', { data: true })),
      button('selftest.second', () => call('motor/confirm_reverse', { data: false })))));
}

/** @param {string} state of motor/state: idle, running, done, or the robot's own sentence */
function stateText(state) {
  const key = { '': 'selftest.unknown', idle: 'selftest.idle', running: 'selftest.running',
    done: 'selftest.done' }[state];
  return key ? t(key) : state;
}
