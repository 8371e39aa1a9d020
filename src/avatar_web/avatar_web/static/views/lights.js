// SPDX-License-Identifier: Apache-2.0
// The two lamps, shown as the board reports them, not as they were asked for.

import { t } from '../i18n.js';
import { $ } from './dom.js';

const LAMPS = /** @type {const} */ (['front', 'back']);

export class LightsView {
  /** @type {Record<string, boolean>} */
  #lit = { front: false, back: false };

  /**
   * @param {import('../connection.js').Connection} connection
   * @param {(text: string) => void} notice
   */
  constructor(connection, notice) {
    for (const lamp of LAMPS) {
      const button = $(`light-${lamp}`);
      button.addEventListener('click', async () => {
        button.setAttribute('aria-busy', 'true');
        try {
          await connection.call(`lights/${lamp}`, { data: !this.#lit[lamp] });
        } catch (error) {
          const reason = error instanceof Error ? error.message : '';
          notice(t('lights.failed', { reason }));
        } finally {
          button.removeAttribute('aria-busy');
        }
      });
    }
  }

  /** @param {Record<string, string> | null} motor @param {boolean} allowed */
  render(motor, allowed) {
    for (const lamp of LAMPS) {
      const state = motor?.[`${lamp}_lights`];
      this.#lit[lamp] = state === 'on';
      $(`light-${lamp}`).setAttribute('aria-pressed', String(this.#lit[lamp]));
      $(`light-${lamp}`).disabled = !allowed || !motor;
    }
  }
}
