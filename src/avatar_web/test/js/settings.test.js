// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SCHEMA, Settings, firstLanguage, valid } from '../../avatar_web/static/settings.js';

function storage(text = null) {
  return {
    text,
    getItem() { return this.text; },
    setItem(_, value) { this.text = value; },
  };
}

test('what was chosen is there again', () => {
  const kept = storage();
  const settings = new Settings(kept);
  const changed = [];
  settings.onChange((name) => changed.push(name));
  settings.set('language', 'ro');
  settings.set('speed', 35);
  settings.set('speed', 35);
  settings.set('dwell', true);
  assert.deepEqual(changed, ['language', 'speed', 'dwell']);
  const again = new Settings(kept);
  assert.equal(again.get('language'), 'ro');
  assert.equal(again.get('speed'), 35);
  assert.equal(again.get('dwell'), true);
});

test('whatever is kept, the values are usable', () => {
  const texts = ['', '{', 'null', '7', '[]', '"x"', JSON.stringify({
    speed: 'fast', dwellMs: -5, method: 'telepathy', language: 'xx', trim: null, dwell: 'yes',
  })];
  for (const text of texts) {
    const settings = new Settings(storage(text));
    for (const [name, { value, min = -Infinity, max = Infinity }] of Object.entries(SCHEMA)) {
      const now = settings.get(name);
      assert.equal(typeof now, typeof value, `${name} from ${text}`);
      if (typeof now === 'number') assert.ok(now >= min && now <= max);
    }
  }
  assert.equal(valid('speed', 1e9), 100);
  assert.equal(valid('speed', NaN), SCHEMA.speed.value);
});

test('a storage that refuses is no reason to fail', () => {
  const broken = {
    getItem() { throw new Error('denied'); },
    setItem() { throw new Error('full'); },
  };
  const warn = console.warn;
  console.warn = () => undefined;
  try {
    const settings = new Settings(broken);
    settings.set('speed', 80);
    assert.equal(settings.get('speed'), 80);
    assert.equal(new Settings(null).get('speed'), SCHEMA.speed.value);
  } finally {
    console.warn = warn;
  }
});

test('the first language is the browser\'s, if we have it', () => {
  assert.equal(firstLanguage(['ro-RO', 'en']), 'ro');
  assert.equal(firstLanguage(['fr', 'de-AT']), 'de');
  assert.equal(firstLanguage(['fr']), 'en');
  assert.equal(new Settings(storage(), ['de']).get('language'), 'de');
  assert.equal(new Settings(storage('{"language":"en"}'), ['de']).get('language'), 'en');
});
