// SPDX-License-Identifier: Apache-2.0
// The tab "WiFi", for admins: what is in range, what the robot knows, joining another network.

import { api } from '../api.js';
import { t } from '../i18n.js';
import { ask } from '../views/ask.js';
import { button, make, say } from '../views/dom.js';
import { errorText, isMoving, joinText, problemText } from './problems.js';

const LOOK_MS = 2000;
/** A robot that is changing its network does not answer for a while. */
const PATIENCE_MS = 4000;
/** A device needs so long to look around. */
const SCAN_MS = 5000;
const HIGHEST = 999;

/** @type {Record<string, string>} */
const KINDS = {
  open: 'wifi.open', wep: 'wifi.wep', wpa: 'wifi.protected', wpa3: 'wifi.protected',
  owe: 'wifi.owe', enterprise: 'wifi.enterprise', unknown: 'wifi.unknown',
};

/** @typedef {{ssid: string, name: string, signal: number, kind: string, in_use: boolean,
 *     joinable: boolean, password: boolean, known: string}} Network */
/** @typedef {{uuid: string, name: string, priority: number, active: boolean}} Known */

/** @param {HTMLElement} body */
export function renderWifi(body) {
  new WifiTab(body);
}

class WifiTab {
  #note = make('p', { class: 'form-note', role: 'alert' });
  #join = make('p', { class: 'state', role: 'status' });
  #lists = make('div', { class: 'sections', 'aria-busy': 'true' });
  #driver = '';

  /** @param {HTMLElement} body */
  constructor(body) {
    body.append(this.#note, this.#join, this.#lists);
    this.#fill();
  }

  /** Is this tab still what is shown? */
  get #isShown() {
    return this.#lists.isConnected;
  }

  async #fill() {
    try {
      this.#show(await api('GET', 'api/wifi'));
    } catch (error) {
      this.#note.textContent = errorText(error);
    }
    this.#lists.removeAttribute('aria-busy');
  }

  /** @param {any} answer of GET /api/wifi */
  #show(answer) {
    this.#driver = answer.driver;
    this.#showJoin(answer.join);
    if (answer.problem) {
      this.#lists.replaceChildren(make('p', { text: problemText(answer.problem.code) }));
    } else {
      this.#lists.replaceChildren(this.#inRange(answer), this.#known(answer.known));
    }
    if (isMoving(answer.join)) this.#watch();
  }

  /** @param {any} join */
  #showJoin(join) {
    say(this.#join, join ? joinText(join) : '');
  }

  /** Ask how the join goes on, for as long as it does; the robot may be away meanwhile. */
  async #watch() {
    while (this.#isShown) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (!this.#isShown) return;
      try {
        const answer = await api('GET', 'api/wifi', undefined, PATIENCE_MS);
        this.#showJoin(answer.join);
        if (!isMoving(answer.join)) {
          this.#show(answer);
          return;
        }
      } catch {
        say(this.#join, t('wifi.away'));
      }
    }
  }

  /** @param {() => Promise<any>} action */
  async #attempt(action) {
    this.#note.textContent = '';
    try {
      await action();
      await this.#fill();
    } catch (error) {
      this.#note.textContent = errorText(error);
    }
  }

  /** @param {{networks: Network[], hidden: number, devices: any[]}} answer */
  #inRange({ networks, hidden, devices }) {
    const again = button('wifi.scan', async () => {
      again.disabled = true;
      await this.#attempt(() => api('POST', 'api/wifi/scan'));
      setTimeout(() => this.#isShown && this.#fill(), SCAN_MS);
    });
    return make('section', {}, make('h3', { text: t('wifi.in_range') }),
      devices.length ? '' : make('p', { text: problemText('no_device') }),
      make('ul', { class: 'rows', id: 'wifi-networks' }, ...networks.map((one) => this.#network(one))),
      hidden ? make('p', { text: t('wifi.hidden', { count: hidden }) }) : '',
      make('div', { class: 'row' }, again));
  }

  /** @param {Network} network */
  #network(network) {
    const about = [t('unit.percent', { value: network.signal }), t(KINDS[network.kind] ?? 'wifi.unknown')];
    if (network.in_use) about.unshift(t('wifi.in_use'));
    else if (network.known) about.push(t('wifi.is_known'));
    const line = make('li', {}, make('span', { class: 'grow' },
      make('strong', { text: network.name }), make('small', { text: about.join(' · ') })));
    const joinable = network.joinable || network.known !== '';
    if (joinable && !network.in_use) {
      const asks = network.password && !network.known;
      line.append(button('wifi.join', () => (
        asks ? this.#askPassword(line, network) : this.#connect(network))));
    }
    if (network.password && network.known) {
      line.append(button('wifi.new_password', () => this.#askPassword(line, network)));
    }
    return line;
  }

  /** @param {HTMLElement} line @param {Network} network */
  #askPassword(line, network) {
    const before = line.querySelector('form');
    if (before) {
      before.remove();
      return;
    }
    const field = make('input', {
      name: 'wifi-password', type: 'password', autocomplete: 'off', required: true, maxlength: 128,
      autocapitalize: 'none', spellcheck: 'false',
      'aria-label': t('wifi.password_of', { name: network.name }), placeholder: t('login.password'),
    });
    const reveal = make('button', {
      type: 'button', 'aria-pressed': false, text: t('wifi.reveal'), onclick: () => {
        const hidden = field.type === 'password';
        field.type = hidden ? 'text' : 'password';
        reveal.setAttribute('aria-pressed', String(hidden));
      },
    });
    const form = make('form', { class: 'inline' }, field, reveal,
      make('button', { type: 'submit', class: 'primary', text: t('wifi.join') }));
    form.addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this.#connect(network, field.value);
    });
    line.append(form);
    field.focus();
  }

  /** @param {Network} network @param {string} [password] */
  async #connect({ ssid, kind, name }, password) {
    const question = this.#driver ? 'wifi.join_driven' : 'wifi.join_ask';
    if (!await ask(question, 'wifi.join_yes', { name, driver: this.#driver })) return;
    this.#attempt(() => api('POST', 'api/wifi/join', {
      ssid, kind, ...(password ? { password } : {}), while_driven: this.#driver !== '',
    }));
  }

  /** @param {Known[]} known */
  #known(known) {
    const highest = Math.max(...known.map(({ priority }) => priority));
    return make('section', {}, make('h3', { text: t('wifi.known') }),
      make('p', { text: t(known.length ? 'wifi.known_text' : 'wifi.known_none') }),
      make('ul', { class: 'rows', id: 'wifi-known' }, ...known.map((one, place) => {
        const line = make('li', {}, make('span', { class: 'grow' },
          make('strong', { text: one.name }), one.active ? make('small', { text: t('wifi.in_use') }) : ''));
        const first = place === 0 && known.filter(({ priority }) => priority === highest).length === 1;
        if (!first && known.length > 1) {
          line.append(button('wifi.first', () => this.#attempt(() => api(
            'POST', 'api/wifi/priority', { uuid: one.uuid, priority: Math.min(HIGHEST, highest + 1) }))));
        }
        if (!one.active) line.append(button('wifi.forget', () => this.#forget(one)));
        return line;
      })));
  }

  /** @param {Known} known */
  async #forget({ uuid, name }) {
    if (await ask('wifi.forget_ask', 'wifi.forget_yes', { name })) {
      this.#attempt(() => api('DELETE', `api/wifi/known/${uuid}`));
    }
  }
}
