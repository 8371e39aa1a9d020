// SPDX-License-Identifier: Apache-2.0
// Numbers of the machine as people say them. No DOM.

import { currentLanguage, number, t } from '../i18n.js';

const MB = 1e6;
const GB = 1e9;
const DAY_S = 86_400;

/** A volume of data. @param {number} bytes */
export function volume(bytes) {
  if (bytes >= GB) return t('unit.gb', { value: number(bytes / GB, bytes < 10 * GB ? 1 : 0) });
  return t('unit.mb', { value: number(bytes / MB, bytes < 10 * MB ? 1 : 0) });
}

/** How long something has run, in its two largest units. @param {number} seconds */
export function duration(seconds) {
  const days = Math.floor(seconds / DAY_S);
  const hours = Math.floor(seconds % DAY_S / 3600);
  const minutes = Math.floor(seconds % 3600 / 60);
  if (days) return t('system.days_hours', { days, hours });
  return t('system.hours_minutes', { hours, minutes });
}

/** @param {string} month 2026-11 */
export function monthName(month) {
  const date = new Date(`${month}-15T12:00:00`);
  return Number.isNaN(date.getTime()) ? month
    : date.toLocaleDateString(currentLanguage(), { month: 'long', year: 'numeric' });
}

/** @param {number} seconds since 1970 */
export const when = (seconds) => new Date(seconds * 1000).toLocaleString(currentLanguage(), {
  dateStyle: 'medium', timeStyle: 'short',
});

/**
 * What all interfaces took together, and what of it was the picture.
 * @param {{name: string, received: number, sent: number}[]} used
 */
export function sumOf(used) {
  const all = used.filter(({ name }) => name !== 'picture');
  const sum = (/** @type {'received' | 'sent'} */ way) => all.reduce((before, one) => before + one[way], 0);
  return {
    received: sum('received'), sent: sum('sent'),
    picture: used.find(({ name }) => name === 'picture')?.sent ?? 0,
  };
}
