// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { CODES, findingText, healthOf, signature, stateText } from '../../avatar_web/static/health.js';
import { TEXTS } from '../../avatar_web/static/i18n.js';
import { HEALTH_SILENT_MS, RobotState } from '../../avatar_web/static/state.js';

const FINDINGS = new URL(
  '../../../avatar_bringup/avatar_bringup/health/findings.py', import.meta.url);
const FOUND = { code: 'disk_low', part: 'disk', state: 'DEGRADED', text: 'Little room.',
  values: { free_mb: 12 }, since: 5 };

const message = (state, findings) => ({ values: [
  { key: 'state', value: state }, { key: 'findings', value: JSON.stringify(findings) }] });

test('every code of the robot has texts, and every text a code', () => {
  const table = readFileSync(FINDINGS, 'utf8').split('KINDS')[1].split('\n}')[0];
  const codes = [...table.matchAll(/^ {4}'(\w+)': /gm)].map(([, code]) => code);
  assert.ok(codes.length > 30);
  assert.deepEqual([...CODES].sort(), codes.sort());
});

test('a text wants only values that the sentence of the robot has too', () => {
  const table = readFileSync(FINDINGS, 'utf8').split('KINDS')[1];
  for (const code of CODES) {
    const [, sentence] = new RegExp(`'${code}': ([^]*?)(?=\\n {4}'|\\n})`).exec(table) ?? [];
    for (const [, name] of TEXTS.en[`health.${code}`].matchAll(/\{(\w+)\}/g)) {
      assert.ok(sentence?.includes(`{${name}}`), `${code}: ${name}`);
    }
  }
});

test('a message of the robot', () => {
  assert.deepEqual(healthOf(message('DEGRADED', [FOUND])), { state: 'DEGRADED', findings: [FOUND] });
  for (const broken of ['', '{', '3', '{"a": 1}']) {
    const status = { values: [{ key: 'state', value: 'READY' }, { key: 'findings', value: broken }] };
    assert.deepEqual(healthOf(status), { state: 'READY', findings: [] });
  }
});

test('a finding in the words of the page, with what the robot added', () => {
  const said = findingText({ ...FOUND, values: { free_mb: 12, reason: 'x'.repeat(500) } });
  assert.deepEqual([said.key, said.mend], ['health.disk_low', 'mend.disk_low']);
  assert.equal(said.params.free_mb, 12);
  assert.equal(said.detail.length, 200);
});

test('a code that this page does not know is said as the robot says it', () => {
  const said = findingText({ ...FOUND, code: 'new_one' });
  assert.deepEqual([said.key, said.params.text, said.mend], ['status.error', 'Little room.', '']);
});

test('the light', () => {
  assert.deepEqual(['READY', 'DEGRADED', 'STOPPED', ''].map((state) => stateText(state).level),
    ['good', 'fair', 'bad', 'fair']);
});

test('only another finding is a change, not another value of it', () => {
  const health = healthOf(message('DEGRADED', [FOUND]));
  const fuller = healthOf(message('DEGRADED', [{ ...FOUND, values: { free_mb: 11 } }]));
  assert.equal(signature(health), signature(fuller));
  assert.notEqual(signature(health), signature(healthOf(message('READY', []))));
  assert.equal(signature(null), '');
});

test('without news it is not known how the robot is', () => {
  const state = new RobotState();
  const health = healthOf(message('READY', []));
  assert.equal(state.health(0), null);
  state.heardHealth(health, 100);
  assert.equal(state.health(200), health);
  assert.equal(state.health(100 + HEALTH_SILENT_MS), null);
  state.heardHealth(health, 20000);
  state.lost();
  assert.equal(state.health(20001), null);
});
