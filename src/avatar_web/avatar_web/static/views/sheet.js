// SPDX-License-Identifier: Apache-2.0
// Everything that is not driving, on a sheet that leaves the emergency stop free.

import { t } from '../i18n.js';
import { $, make, show } from './dom.js';
import { Pager } from './pager.js';

/** @typedef {{id: string, title: string, render: (body: HTMLElement) => void}} Tab */

export class Sheet {
  /** @type {Tab[]} */
  #tabs;
  #current = '';
  #allowed;

  /** @param {Tab[]} tabs @param {(id: string) => boolean} allowed which tabs this person has */
  constructor(tabs, allowed) {
    this.#tabs = tabs;
    this.#allowed = allowed;
    this.#current = tabs[0].id;
    new Pager($('sheet-body'));
    $('menu').addEventListener('click', () => (this.open_ ? this.close() : this.open()));
    $('sheet-close').addEventListener('click', () => this.close());
    $('sheet').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Escape') this.close();
    });
  }

  get open_() {
    return !$('sheet').hidden;
  }

  /** @param {string} tab */
  open(tab = this.#current) {
    this.#current = this.#allowed(tab) ? tab : this.#tabs[0].id;
    $('sheet-body').scrollTop = 0;
    show($('sheet'), true);
    $('menu').setAttribute('aria-expanded', 'true');
    this.render();
    $('sheet-close').focus();
  }

  close() {
    show($('sheet'), false);
    $('menu').setAttribute('aria-expanded', 'false');
    $('menu').focus();
  }

  /** Build the open tab anew. */
  render() {
    if (!this.open_) return;
    $('sheet-tabs').replaceChildren(...this.#tabs.filter(({ id }) => this.#allowed(id)).map((tab) =>
      make('button', {
        type: 'button', text: t(tab.title), 'aria-pressed': tab.id === this.#current,
        'data-tab': tab.id, onclick: () => this.open(tab.id),
      })));
    const body = $('sheet-body');
    body.replaceChildren();
    this.#tabs.find(({ id }) => id === this.#current)?.render(body);
  }

  /** Build it anew if this tab is open; who had the focus on a button keeps it. @param {string} tab */
  refresh(tab) {
    if (!this.open_ || this.#current !== tab) return;
    const buttons = () => [...$('sheet-body').querySelectorAll('button')];
    const focused = buttons().findIndex((button) => button === document.activeElement);
    this.render();
    if (focused >= 0) (buttons()[focused] ?? $('sheet-close')).focus();
  }
}
