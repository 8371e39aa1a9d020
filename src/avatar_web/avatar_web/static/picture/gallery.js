// SPDX-License-Identifier: Apache-2.0
// Snapshots and recordings that are kept on the robot. By pages instead of scrolling, so that
// looking can do all of it.

import { api } from '../api.js';
import { currentLanguage, number, t } from '../i18n.js';
import { ask } from '../views/ask.js';
import { button, make } from '../views/dom.js';
import { problemText } from './capture.js';

const PAGE = 4;
const MB = 1e6;

/** @typedef {{name: string, bytes: number, time: number, thumb: boolean, writing: boolean}} File */
/** @typedef {'snapshots' | 'recordings'} Kind */

/** @type {Record<Kind, {title: string, none: string, ask: string}>} */
const TEXT = {
  snapshots: { title: 'gallery.snapshots', none: 'gallery.no_snapshots', ask: 'gallery.remove_snapshot' },
  recordings: { title: 'gallery.recordings', none: 'gallery.no_recordings', ask: 'gallery.remove_recording' },
};

/** Where the page of `index` begins, kept within the files. @param {number} index @param {number} files */
export function pageStart(index, files) {
  const last = Math.max(0, Math.ceil(files / PAGE) - 1) * PAGE;
  return Math.max(0, Math.min(last, Math.floor(index / PAGE) * PAGE));
}

export class Gallery {
  /** @type {Kind} */
  #kind = 'snapshots';
  /** @type {File[] | null} null: not known yet */
  #files = null;
  #first = 0;
  /** @type {File | null} the one that is open */
  #open = null;
  #mayRemove;
  #root = make('div', { class: 'gallery' });
  #note = '';

  /** @param {() => boolean} mayRemove */
  constructor(mayRemove) {
    this.#mayRemove = mayRemove;
  }

  /** Show it, with what is on the robot now. @param {HTMLElement} body */
  render(body) {
    body.append(this.#root);
    this.#draw();
    this.#load();
  }

  async #load() {
    const kind = this.#kind;
    try {
      const { files } = await api('GET', `api/${kind}`);
      if (kind !== this.#kind) return;
      this.#files = files;
      this.#note = '';
    } catch (error) {
      this.#note = problemText(error);
    }
    this.#draw();
  }

  /** @param {Kind} kind */
  #choose(kind) {
    this.#kind = kind;
    this.#files = this.#open = null;
    this.#first = 0;
    this.#load();
    this.#draw();
  }

  #draw() {
    if (!this.#root.isConnected) return;
    const focused = document.activeElement instanceof HTMLElement
      ? document.activeElement.dataset.gallery : undefined;
    this.#root.dataset.kind = this.#kind;
    this.#root.replaceChildren(make('p', { class: 'form-note', role: 'alert', text: this.#note }),
      ...(this.#open ? this.#one(this.#open) : this.#list()));
    const again = focused && this.#root.querySelector(`[data-gallery="${focused}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  /** @returns {Node[]} */
  #list() {
    const files = this.#files ?? [];
    this.#first = pageStart(this.#first, files.length);
    const kinds = make('div', { class: 'choices' }, .../** @type {Kind[]} */ (Object.keys(TEXT)).map(
      (kind) => this.#button(kind, TEXT[kind].title, () => this.#choose(kind), {
        'aria-pressed': kind === this.#kind,
      })));
    const turn = (/** @type {string} */ id, /** @type {string} */ text, /** @type {number} */ by) =>
      this.#button(id, text, () => {
        this.#first = pageStart(this.#first + by, files.length);
        this.#draw();
      }, { disabled: pageStart(this.#first + by, files.length) === this.#first });
    if (files.length === 0) {
      return [kinds, make('p', { text: t(this.#files ? TEXT[this.#kind].none : 'gallery.loading') })];
    }
    // What turns the pages comes first: it stays in sight however large the pictures are.
    return [kinds,
      make('div', { class: 'choices' }, turn('newer', 'gallery.newer', -PAGE), make('span', {
        class: 'page', text: t('gallery.page', {
          page: this.#first / PAGE + 1, pages: Math.ceil(files.length / PAGE),
        }),
      }), turn('older', 'gallery.older', PAGE)),
      make('ul', { class: 'thumbs' }, ...files.slice(this.#first, this.#first + PAGE)
        .map((file) => make('li', {}, this.#thumb(file))))];
  }

  /** @param {string} id @param {string} key @param {() => void} onclick @param {object} more */
  #button(id, key, onclick, more = {}) {
    return make('button', { type: 'button', 'data-gallery': id, text: t(key), onclick, ...more });
  }

  /** @param {File} file */
  #path(file) {
    return `api/${this.#kind}/${encodeURIComponent(file.name)}`;
  }

  /** @param {File} file */
  #thumb(file) {
    const picture = file.thumb
      ? make('img', { src: `${this.#path(file)}/thumb`, alt: '', loading: 'lazy' })
      : make('span', { class: 'no-thumb' });
    return make('button', {
      type: 'button', class: 'thumb', 'data-name': file.name, onclick: () => {
        this.#open = file;
        this.#draw();
      },
    }, picture, make('span', { text: dateOf(file) }), make('small', { text: sizeOf(file) }));
  }

  /** One of them, large. @param {File} file @returns {Node[]} */
  #one(file) {
    const files = this.#files ?? [];
    const at = files.findIndex(({ name }) => name === file.name);
    const go = (/** @type {string} */ id, /** @type {string} */ key, /** @type {number} */ by) =>
      this.#button(id, key, () => {
        this.#open = files[at + by];
        this.#first = pageStart(at + by, files.length);
        this.#draw();
      }, { disabled: !files[at + by] });
    const path = this.#path(file);
    const view = this.#kind === 'snapshots'
      ? make('img', { src: path, alt: t('gallery.snapshot_of', { date: dateOf(file) }) })
      : this.#film(path, file);
    const actions = make('div', { class: 'choices' },
      this.#button('back', 'gallery.back', () => {
        this.#open = null;
        this.#draw();
      }),
      make('a', {
        class: 'button', href: `${path}?download`, download: file.name, text: t('gallery.download'),
      }));
    if (this.#mayRemove() && !file.writing) {
      actions.append(button('gallery.remove', () => this.#remove(file)));
    }
    return [actions, make('div', { class: 'choices' }, go('newer', 'gallery.newer', -1),
      go('older', 'gallery.older', 1)), make('figure', { class: 'large' }, view,
      make('figcaption', { text: `${file.name} · ${dateOf(file)} · ${sizeOf(file)}` }))];
  }

  /** A film with a button that looking can press. @param {string} path @param {File} file */
  #film(path, file) {
    const video = make('video', {
      src: path, controls: true, preload: 'metadata', playsinline: true,
      ...(file.thumb ? { poster: `${path}/thumb` } : {}),
    });
    const play = this.#button('play', 'gallery.play', () => {
      if (video.paused) video.play().catch((/** @type {Error} */ error) => this.#say(error));
      else video.pause();
    });
    for (const event of ['play', 'pause', 'ended']) {
      video.addEventListener(event, () => {
        play.textContent = t(video.paused ? 'gallery.play' : 'gallery.pause');
      });
    }
    return make('div', { class: 'film' }, video, play);
  }

  /** @param {Error} error */
  #say(error) {
    if (error.name === 'AbortError') return;  // another one was opened meanwhile
    this.#note = t('gallery.cannot_play', { reason: error.message });
    this.#draw();
  }

  /** @param {File} file */
  async #remove(file) {
    if (!await ask(TEXT[this.#kind].ask, 'gallery.remove', { name: file.name })) return;
    try {
      await api('DELETE', this.#path(file));
      this.#open = null;
    } catch (error) {
      this.#note = problemText(error);
    }
    await this.#load();
  }
}

/** @param {File} file */
function dateOf({ time }) {
  return new Date(time * 1000).toLocaleString(currentLanguage(), {
    dateStyle: 'medium', timeStyle: 'medium',
  });
}

/** @param {File} file */
function sizeOf({ bytes, writing }) {
  const size = t('unit.mb', { value: number(bytes / MB, bytes < MB ? 2 : 1) });
  return writing ? t('gallery.writing', { size }) : size;
}
