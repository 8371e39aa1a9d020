// SPDX-License-Identifier: Apache-2.0
// What the robot's machine refused, in words. No DOM.

import { ApiError, apiText } from '../api.js';
import { t } from '../i18n.js';

/** @type {Record<string, string>} the code of the gateway, NetworkManager's included -> text */
const CODES = {
  busy: 'machine.busy',
  driven: 'machine.driven',
  failed: 'machine.failed',
  forbidden: 'machine.forbidden',
  gone: 'machine.gone',
  in_use: 'machine.in_use',
  missing: 'machine.missing',
  no_device: 'machine.no_device',
  not_joinable: 'machine.not_joinable',
  not_managed: 'machine.not_managed',
  not_running: 'machine.not_running',
  password: 'machine.password',
  restarted: 'machine.restarted',
  timeout: 'machine.timeout',
  vanished: 'machine.vanished',
};

/** @param {string} code */
export const problemText = (code) => t(CODES[code] ?? 'machine.failed');

/** @param {unknown} error */
export function errorText(error) {
  if (error instanceof ApiError && CODES[error.code]) return problemText(error.code);
  return t(apiText(error));
}

/**
 * How a join goes on, or how it ended.
 * @param {{state: string, name: string, code: string, back_in: string, left_s: number}} join
 */
export function joinText({ state, name, code, back_in: backIn, left_s: leftS }) {
  if (state === 'joining') return t('wifi.joining', { name, seconds: Math.ceil(leftS) });
  const why = code ? problemText(code) : '';
  if (state === 'returning') return t('wifi.returning', { name, why });
  if (state === 'lost') return t('wifi.lost', { name, why });
  if (state === 'up') return code ? t('wifi.up_not_kept', { name, why }) : t('wifi.up', { name });
  return backIn ? t('wifi.back_in', { name, why, network: backIn }) : t('wifi.back', { name, why });
}

/** Is the network still to change? @param {{state: string} | null} join */
export const isMoving = (join) => join !== null && ['joining', 'returning'].includes(join.state);
