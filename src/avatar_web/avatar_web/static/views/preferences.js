// SPDX-License-Identifier: Apache-2.0
// What a person chooses on this device: each value by two big buttons, so that looking can do it.

import { number, t } from '../i18n.js';
import { SCHEMA } from '../settings.js';
import { make } from './dom.js';

/** @typedef {import('../settings.js').Settings} Settings */

/** @type {[string, string, string][]} setting, its name, its unit */
const DRIVING = [
  ['speed', 'prefs.speed', 'unit.percent'],
  ['trim', 'prefs.trim', 'unit.percent'],
  ['stepCm', 'prefs.step', 'unit.cm'],
  ['stepDeg', 'prefs.turn', 'unit.degrees'],
  ['clickS', 'prefs.click', 'unit.seconds'],
];
/** @type {[string, string, string][]} */
const LOOKING = [
  ['dwell', 'prefs.dwell', ''],
  ['dwellMs', 'prefs.dwell_time', 'unit.seconds'],
  ['gazeSpeed', 'prefs.gaze_speed', 'unit.percent'],
  ['gazeStillS', 'prefs.gaze_still', 'unit.seconds'],
];
const HELP = ['help.keys', 'help.space', 'help.enter', 'help.gamepad', 'help.looking', 'help.rest'];

/** @param {string} name @param {any} value @param {string} unit */
function shown(name, value, unit) {
  if (name === 'trim' && value !== 0) {
    return t(value > 0 ? 'prefs.trim_left' : 'prefs.trim_right', { percent: Math.abs(value) });
  }
  const seconds = name === 'dwellMs';
  return t(unit, { value: seconds ? number(value / 1000, 1) : number(value) });
}

/**
 * @param {Settings} settings @param {string} name @param {string} title @param {string} unit
 */
function row(settings, name, title, unit) {
  const { step = 1, min = 0, max = 1 } = SCHEMA[name];
  const label = t(title);
  const frame = make('div', {
    class: 'pref', role: 'group', 'aria-label': label, 'data-setting': name,
  }, make('span', { text: label }));
  if (typeof settings.get(name) === 'boolean') {
    frame.append(onOff(settings, name, label));
    return frame;
  }
  const write = () => {
    const value = settings.get(name);
    output.textContent = shown(name, value, unit);
    less.disabled = value === min;
    more.disabled = value === max;
  };
  const change = (/** @type {number} */ by) => {
    settings.set(name, settings.get(name) + by * step);
    write();
  };
  const output = make('output', { 'aria-live': 'polite' });
  const less = make('button', {
    type: 'button', text: '−', 'aria-label': t('prefs.less', { name: label }), onclick: () => change(-1),
  });
  const more = make('button', {
    type: 'button', text: '+', 'aria-label': t('prefs.more', { name: label }), onclick: () => change(1),
  });
  write();
  frame.append(less, output, more);
  return frame;
}

/** @param {Settings} settings @param {string} name @param {string} label */
function onOff(settings, name, label) {
  const write = () => {
    const on = settings.get(name);
    const state = t(on ? 'prefs.on' : 'prefs.off');
    toggle.setAttribute('aria-pressed', String(on));
    toggle.setAttribute('aria-label', `${label}: ${state}`);  // what is seen is part of it
    toggle.textContent = state;
  };
  const toggle = make('button', {
    type: 'button', class: 'switch', onclick: () => {
      settings.set(name, !settings.get(name));
      write();
    },
  });
  write();
  return toggle;
}

/** @param {HTMLElement} body @param {Settings} settings @param {[string, string, string][]} rows */
function renderRows(body, settings, rows) {
  body.append(make('section', {}, ...rows.map(([name, text, unit]) => row(settings, name, text, unit))));
}

/** Two short pages instead of a long one: no scrolling. @param {HTMLElement} body @param {Settings} settings */
export function renderDriving(body, settings) {
  renderRows(body, settings, DRIVING);
}

/** @param {HTMLElement} body @param {Settings} settings */
export function renderLooking(body, settings) {
  renderRows(body, settings, LOOKING);
}

/** @param {HTMLElement} body */
export function renderHelp(body) {
  body.append(make('ul', { class: 'help' }, ...HELP.map((key) => make('li', { text: t(key) }))));
}
