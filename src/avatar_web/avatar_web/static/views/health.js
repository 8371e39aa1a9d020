// SPDX-License-Identifier: Apache-2.0
// The traffic light: one line on the stage, and a tab with all that is wrong and what was.

import { api, apiText } from '../api.js';
import { findingText, stateText } from '../health.js';
import { currentLanguage, t } from '../i18n.js';
import { $, make, say, show } from './dom.js';

/** @typedef {import('../health.js').Health} Health */
/** @typedef {import('../health.js').Finding} Finding */
/** @typedef {import('../health.js').Change} Change */

const DAY_S = 86400;

/** The robot's clock may be wrong; it is its own time that is shown. @param {number} seconds since 1970 */
function when(seconds) {
  const today = Math.abs(Date.now() / 1000 - seconds) < DAY_S;
  return new Date(seconds * 1000).toLocaleString(currentLanguage(), today
    ? { timeStyle: 'medium' } : { dateStyle: 'short', timeStyle: 'short' });
}

/** @param {Finding} finding */
function sentence(finding) {
  const { key, params } = findingText(finding);
  return t(key, params);
}

/** What the line says: all is well, or the worst of what is not. @param {Health} health */
function line({ state, findings }) {
  if (!findings.length) return t(stateText(state).key);
  const text = sentence(findings[0]);
  return findings.length > 1 ? t('state.more', { text, count: findings.length - 1 }) : text;
}

/** The light on the stage. @param {Health | null} health null: nobody says */
export function renderLight(health) {
  const chip = $('chip-health');
  show(chip, health !== null);
  const level = health ? stateText(health.state).level : '';
  $('menu').dataset.health = level;
  if (!health) return;
  chip.dataset.level = level;
  say(chip, line(health));
}

/** @param {Finding} finding */
function row(finding) {
  const { mend, detail } = findingText(finding);
  return make('li', { class: 'finding', 'data-code': finding.code },
    make('span', { class: `light ${stateText(finding.state).level}`, 'aria-hidden': true }),
    make('span', { class: 'grow' }, make('strong', { text: sentence(finding) }),
      ...(mend ? [make('span', { class: 'mend', text: t(mend) })] : []),
      make('small', { text: t('state.since', { when: when(finding.since) }) }),
      ...(detail ? [make('small', { lang: 'en', text: t('state.detail', { text: detail }) })] : [])));
}

/** @param {Change} change */
function past(change) {
  const text = sentence(change);
  return make('li', { class: 'past' },
    make('span', { class: `light ${change.came ? stateText(change.state).level : 'over'}`, 'aria-hidden': true }),
    make('time', { datetime: new Date(change.at * 1000).toISOString(), text: when(change.at) }),
    make('span', { class: 'grow', text: change.came ? text : t('state.over', { text }) }));
}

/** @param {HTMLElement} body @param {Health | null} health */
export function renderHealth(body, health) {
  const { level, key } = stateText(health?.state ?? '');
  const findings = health?.findings ?? [];
  const list = make('ul', { class: 'history', 'aria-busy': 'true' });
  body.append(
    make('section', {}, make('h3', { text: t('state.now') }),
      make('p', { class: 'state with-light' },
        make('span', { class: `light ${level}`, 'aria-hidden': true }), t(key)),
      ...(health && !findings.length ? [make('p', { text: t('state.all_well') })] : []),
      make('ul', { class: 'rows' }, ...findings.map(row))),
    // With the focus here the arrow keys scroll: nothing else on this tab can have it.
    make('section', { tabindex: 0 }, make('h3', { text: t('state.changes') }), list));
  fill(list);
}

/** @param {HTMLElement} list */
async function fill(list) {
  try {
    const { changes } = await api('GET', 'api/health');
    list.replaceChildren(...changes.map(past).reverse());
    if (!changes.length) list.replaceChildren(make('li', { text: t('state.no_changes') }));
  } catch (error) {
    list.replaceChildren(make('li', { text: t(apiText(error)) }));
  }
  list.removeAttribute('aria-busy');
}
