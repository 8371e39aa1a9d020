// SPDX-License-Identifier: Apache-2.0
// What a person chose on this device; kept in the browser, checked when it is read back.

/** @typedef {{value: any, choices?: readonly any[], min?: number, max?: number, step?: number}} Setting */

export const LANGUAGES = /** @type {const} */ (['en', 'ro', 'de']);
export const METHODS = /** @type {const} */ (['pads', 'stick', 'gaze', 'nudge', 'click']);

/** Every preference with its first value and what it may be. @type {Record<string, Setting>} */
export const SCHEMA = {
  language: { value: 'en', choices: LANGUAGES },
  method: { value: 'pads', choices: METHODS },
  speed: { value: 50, min: 10, max: 100, step: 5 },  // percent of the robot's limits
  trim: { value: 0, min: -20, max: 20, step: 1 },  // percent of the turning limit, left positive
  gazeSpeed: { value: 30, min: 10, max: 60, step: 5 },  // percent, at most the speed above
  gazeStillS: { value: 5, min: 2, max: 30, step: 1 },
  dwell: { value: false, choices: [false, true] },
  dwellMs: { value: 800, min: 300, max: 3000, step: 100 },
  stepCm: { value: 20, min: 5, max: 50, step: 5 },
  stepDeg: { value: 15, min: 5, max: 45, step: 5 },
  clickS: { value: 5, min: 1, max: 15, step: 1 },
  quality: { value: 'auto', choices: ['auto', '320p', '480p', '720p'] },
  fps: { value: 20, choices: [10, 20, 30] },
  dataSaver: { value: false, choices: [false, true] },
  shutter: { value: false, choices: [false, true] },
};

const KEY = 'avatar.settings';

/**
 * The value if it is one that this setting may have, else the first value.
 * @param {string} name @param {any} value
 */
export function valid(name, value) {
  const setting = SCHEMA[name];
  if (setting.choices) return setting.choices.includes(value) ? value : setting.value;
  if (typeof value !== 'number' || !Number.isFinite(value)) return setting.value;
  return Math.max(Number(setting.min), Math.min(Number(setting.max), value));
}

/** @param {readonly string[]} wanted the browser's languages, best first */
export function firstLanguage(wanted) {
  for (const tag of wanted) {
    const found = LANGUAGES.find((name) => tag.toLowerCase().split('-')[0] === name);
    if (found) return found;
  }
  return 'en';
}

export class Settings {
  /** @type {Record<string, any>} */
  #values = {};
  /** @type {Set<(name: string) => void>} */
  #listeners = new Set();
  #storage;

  /**
   * @param {Pick<Storage, 'getItem' | 'setItem'> | null} storage null: nothing is kept
   * @param {readonly string[]} languages the browser's, for the very first visit
   */
  constructor(storage, languages = []) {
    this.#storage = storage;
    const kept = this.#read();
    for (const name of Object.keys(SCHEMA)) this.#values[name] = valid(name, kept[name]);
    if (!(LANGUAGES.includes(kept.language))) this.#values.language = firstLanguage(languages);
  }

  /** @param {string} name */
  get(name) {
    return this.#values[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    const checked = valid(name, value);
    if (checked === this.#values[name]) return;
    this.#values[name] = checked;
    this.#write();
    for (const listener of this.#listeners) listener(name);
  }

  /** @param {(name: string) => void} listener */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** @returns {Record<string, any>} */
  #read() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(KEY) ?? '{}');
      return kept && typeof kept === 'object' ? kept : {};
    } catch (error) {
      if (error instanceof SyntaxError) return {};  // not ours or cut off: begin anew
      console.warn('settings cannot be read, the defaults hold:', error);
      return {};
    }
  }

  #write() {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#values));
    } catch (error) {
      console.warn('settings cannot be kept on this device:', error);
    }
  }
}
