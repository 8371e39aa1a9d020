// SPDX-License-Identifier: Apache-2.0
// The tab "System", for admins: how the computer is, the data it used, restart and switch off.

import { ApiError, api } from '../api.js';
import { number, t } from '../i18n.js';
import { ask } from '../views/ask.js';
import { button, make } from '../views/dom.js';
import { errorText } from './problems.js';
import { duration, monthName, sumOf, volume, when } from './units.js';

const MB = 1e6;
const MONTHS_SHOWN = 6;
/** A clock that differs more from this browser's is worth a word. */
const CLOCK_S = 60;

/** @param {HTMLElement} body */
export function renderMachine(body) {
  const note = make('p', { class: 'form-note', role: 'alert' });
  const facts = make('div', { class: 'sections', 'aria-busy': 'true' });
  body.append(note, facts);
  const fill = async () => {
    try {
      const { machine, data, managed, driver } = await api('GET', 'api/system');
      facts.replaceChildren(
        factList('system.machine', machineFacts(machine)), dataUsed(data),
        power(managed, driver, note));
    } catch (error) {
      note.textContent = errorText(error);
    }
    facts.removeAttribute('aria-busy');
  };
  fill();
}

/** @param {string} title @param {[string, string][]} facts name and value */
function factList(title, facts) {
  return make('section', {}, make('h3', { text: t(title) }), make('dl', { class: 'facts' },
    ...facts.flatMap(([name, value]) => [make('dt', { text: name }), make('dd', { text: value })])));
}

/** @param {any} m what GET /api/system says of the machine @returns {[string, string][]} */
export function machineFacts(m) {
  /** @type {[string, string][]} */
  const facts = [];
  const add = (/** @type {string} */ key, /** @type {string | null} */ value) => {
    if (value !== null) facts.push([t(key), value]);
  };
  add('system.model', m.model || null);
  add('system.temperature', m.celsius === null ? null
    : t('unit.celsius', { value: number(m.celsius, 0) }));
  add('system.load', m.load === null ? null
    : t('system.load_of', { load: number(m.load, 1), cores: m.cores ?? '?' }));
  add('system.memory', freeOf(m.memory_free_mb, m.memory_mb));
  add('system.disk', freeOf(m.disk_free_mb, m.disk_mb));
  add('system.power_supply', ever(
    m.undervoltage, 'system.undervoltage_now', 'system.undervoltage_before'));
  add('system.speed', ever(
    m.throttled, 'system.throttled_now', 'system.throttled_before'));
  add('system.uptime', m.uptime_s === null ? null : duration(m.uptime_s));
  add('system.clock', clock(m));
  for (const { interface: name, addresses } of m.addresses) {
    add('system.addresses', t('system.address_of', { name, addresses: addresses.join(', ') }));
  }
  return facts;
}

/** @param {number | null} free @param {number | null} all [MB] */
function freeOf(free, all) {
  if (free === null) return null;
  return all === null ? volume(free * MB)
    : t('system.free_of', { free: volume(free * MB), all: volume(all * MB) });
}

/** @param {string | null} state now, before, never @param {string} now @param {string} before */
function ever(state, now, before) {
  if (state === null) return null;
  return t({ now, before }[state] ?? 'system.fine');
}

/** @param {any} machine */
function clock({ time, clock_is_set: isSet }) {
  const wrongS = Math.abs(Date.now() / 1000 - time);
  if (wrongS > CLOCK_S) return t('system.clock_differs', { when: when(time), by: duration(wrongS) });
  return isSet === false ? t('system.clock_unset', { when: when(time) }) : when(time);
}

/** @param {any} data what GET /api/system says of the data used */
function dataUsed({ since_start: sinceStart, days, months }) {
  /** @type {[string, string][]} */
  const facts = [];
  const add = (/** @type {string} */ name, /** @type {any[]} */ used) => {
    const { received, sent, picture } = sumOf(used);
    facts.push([name, t('system.used', {
      total: volume(received + sent), received: volume(received), sent: volume(sent),
    }) + (picture ? ` ${t('system.used_picture', { picture: volume(picture) })}` : '')]);
  };
  if (days.length) add(t('system.last_day', { day: days[0].day }), days[0].used);
  for (const { month, used } of months.slice(0, MONTHS_SHOWN)) add(monthName(month), used);
  for (const one of sinceStart) {
    if (one.received || one.sent) add(t('system.since_start', { name: one.name }), [one]);
  }
  return factList('system.data', facts);
}

/**
 * @param {boolean} managed @param {string} driver who drives, or '' @param {HTMLElement} note
 */
function power(managed, driver, note) {
  const title = make('h3', { text: t('system.power') });
  if (!managed) return make('section', {}, title, make('p', { text: t('machine.not_managed') }));
  const text = make('p', { id: 'power-text', role: 'status', text: t('system.power_text') });
  const end = async (/** @type {string} */ action, /** @type {Texts} */ texts) => {
    if (await confirmed(action, texts, driver, note)) text.textContent = t(texts.going);
  };
  return make('section', {}, title, text,
    make('div', { class: 'row' },
      button('system.reboot', () => end('reboot', {
        ask: 'system.reboot_ask', driven: 'system.reboot_driven', yes: 'system.reboot_yes',
        going: 'system.reboot_going',
      })),
      button('system.poweroff', () => end('poweroff', {
        ask: 'system.poweroff_ask', driven: 'system.poweroff_driven', yes: 'system.poweroff_yes',
        going: 'system.poweroff_going',
      }))));
}

/** @typedef {{ask: string, driven: string, yes: string, going: string}} Texts */

/**
 * @param {string} action reboot or poweroff @param {Texts} texts
 * @param {string} driver who drove when the tab was opened @param {HTMLElement} note
 * @returns {Promise<boolean>} whether the robot does it
 */
async function confirmed(action, texts, driver, note) {
  note.textContent = '';
  const question = driver ? texts.driven : texts.ask;
  if (!await ask(question, texts.yes, { name: driver })) return false;
  try {
    await api('POST', `api/system/${action}`, { confirm: action, while_driven: driver !== '' });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'driven') {
      // Somebody began to drive since; the question is another one now.
      const { driver: name } = await api('GET', 'api/system');
      return name ? confirmed(action, texts, name, note) : false;
    }
    note.textContent = errorText(error);
    return false;
  }
}
