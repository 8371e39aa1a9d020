// SPDX-License-Identifier: Apache-2.0
// index.html names what main.js needs: one round trip less for each level of imports.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const STATIC = fileURLToPath(new URL('../../avatar_web/static/', import.meta.url));
const PAGE = readFileSync(`${STATIC}index.html`, 'utf8');

/** What a module imports, as paths from the folder of the page. */
function imports(path) {
  const source = readFileSync(STATIC + path, 'utf8');
  return [...source.matchAll(/^(?:import|export)\b[^;]*?'(\.[^']+)';/gm)]
    .map(([, name]) => posix.join(posix.dirname(path), name));
}

/** Every module that is needed for this one, itself included. */
function graph(path, known = new Set()) {
  if (known.has(path)) return known;
  known.add(path);
  for (const name of imports(path)) graph(name, known);
  return known;
}

const attributes = (pattern) => [...PAGE.matchAll(pattern)].map(([, address]) => address);

test('every module of the page is loaded at once, and nothing else', () => {
  const named = attributes(/<link rel="modulepreload" href="([^"]+)">/g);
  const needed = graph('main.js');
  needed.delete('main.js');  // by its <script>
  assert.ok(needed.size > 50, 'the imports were not understood');
  assert.deepEqual(named.filter((path) => !needed.has(path)), [], 'loaded, but not needed');
  assert.deepEqual([...needed].filter((path) => !named.includes(path)), [], 'needed, not named');
  assert.equal(new Set(named).size, named.length, 'named twice');
});

test('no module hides an import from that list', () => {
  for (const path of graph('main.js')) {
    const source = readFileSync(STATIC + path, 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
    assert.doesNotMatch(source, /\bimport\(/, path);
    assert.equal(source.match(/\bfrom\s*["'`]/g)?.length ?? 0, imports(path).length, path);
  }
});

test('what the page names is there', () => {
  const named = attributes(/\b(?:href|src)="([^"#]+)"/g);
  assert.ok(named.includes('main.js') && named.includes('styles/base.css'));
  assert.deepEqual(named.filter((path) => !existsSync(STATIC + path)), []);
});
