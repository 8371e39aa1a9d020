// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { TEXTS, t, useLanguage } from '../../avatar_web/static/i18n.js';

const STATIC = fileURLToPath(new URL('../../avatar_web/static/', import.meta.url));
const SOURCES = readdirSync(STATIC, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(js|html)$/.test(path) && !path.startsWith('texts'))
  .map((path) => readFileSync(STATIC + path, 'utf8'));
const KEYS = Object.keys(TEXTS.en);
const GROUPS = new Set(KEYS.map((key) => key.split('.')[0]));

/** Every quoted word that looks like a key: `group.name` of a known group, and no module's name. */
const USED = new Set(SOURCES.flatMap((source) => [...source.matchAll(/['"]([a-z]+)\.([a-z_]+)['"]/g)]
  .filter(([, group, name]) => GROUPS.has(group) && name !== 'js').map(([, group, name]) => `${group}.${name}`)));

const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** Words that are the same in two languages, and right so. */
const SAME = new Set([
  'login.name', 'method.stick', 'stick.label', 'role.admin', 'speed.normal', 'speed.value',
  'unit.cm', 'unit.degrees', 'unit.mb', 'unit.percent', 'unit.seconds', 'menu.gallery',
  'menu.system', 'menu.wifi', 'system.address_of', 'system.hours_minutes', 'unit.celsius', 'unit.gb',
]);

test('every key that is used has a text, and every text is used', () => {
  assert.deepEqual([...USED].filter((key) => !(key in TEXTS.en)), [], 'used, but no text');
  assert.deepEqual(KEYS.filter((key) => !USED.has(key)), [], 'a text, but not used');
});

for (const language of ['ro', 'de']) {
  test(`${language}: the same keys and placeholders as English, and really translated`, () => {
    const texts = TEXTS[language];
    assert.deepEqual(Object.keys(texts).sort(), [...KEYS].sort());
    for (const key of KEYS) {
      const unique = [...new Set(placeholders(texts[key]))];
      assert.deepEqual(unique, [...new Set(placeholders(TEXTS.en[key]))], key);
      assert.ok(texts[key].trim(), key);
      if (!SAME.has(key)) assert.notEqual(texts[key], TEXTS.en[key], key);
    }
  });
}

test('Romanian and German do not share texts', () => {
  const shared = KEYS.filter((key) => TEXTS.ro[key] === TEXTS.de[key] && !SAME.has(key));
  assert.deepEqual(shared, []);
});

test('Romanian is written with comma below, never with a cedilla', () => {
  const all = Object.values(TEXTS.ro).join(' ');
  assert.doesNotMatch(all, /[şţŞŢ]/);
  assert.match(all, /ș/);
  assert.match(all, /ț/);
});

test('values are filled in, unknown ones stay visible', () => {
  useLanguage('de');
  assert.equal(t('why.someone', { name: 'Maria' }), 'Maria fährt');
  assert.equal(t('why.someone'), '{name} fährt');
  useLanguage('xx');
  assert.equal(t('why.someone', { name: 'Maria' }), 'Maria drives');
});
