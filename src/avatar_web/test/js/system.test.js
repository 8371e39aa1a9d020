// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../avatar_web/static/api.js';
import { useLanguage } from '../../avatar_web/static/i18n.js';
import { machineFacts } from '../../avatar_web/static/system/machine.js';
import { errorText, isMoving, joinText, problemText } from '../../avatar_web/static/system/problems.js';
import { duration, monthName, sumOf, volume } from '../../avatar_web/static/system/units.js';

const join = (more) => ({ state: 'joining', name: 'café', code: '', back_in: '', left_s: 0, ...more });

test('volumes and times as people say them', () => {
  useLanguage('en');
  assert.equal(volume(0), '0.0 MB');
  assert.equal(volume(2_340_000), '2.3 MB');
  assert.equal(volume(999_000_000), '999 MB');
  assert.equal(volume(1_250_000_000), '1.3 GB');
  assert.equal(volume(123_400_000_000), '123 GB');
  assert.equal(duration(59), '0 h 0 min');
  assert.equal(duration(3600 * 5 + 61), '5 h 1 min');
  assert.equal(duration(86400 * 3 + 7200), '3 d 2 h');
  assert.equal(monthName('2026-11'), 'November 2026');
  assert.equal(monthName('x'), 'x');
  useLanguage('de');
  assert.equal(volume(2_340_000), '2,3 MB');
  useLanguage('en');
});

test('the picture is a part of what the interfaces sent', () => {
  assert.deepEqual(sumOf([
    { name: 'wwan0', received: 5, sent: 70 }, { name: 'eth0', received: 1, sent: 2 },
    { name: 'picture', received: 0, sent: 60 },
  ]), { received: 6, sent: 72, picture: 60 });
  assert.deepEqual(sumOf([]), { received: 0, sent: 0, picture: 0 });
});

test('every way a join can go has a sentence with the name and the reason', () => {
  assert.match(joinText(join({ left_s: 12.2 })), /café.* 13 s/);
  assert.match(joinText(join({ state: 'returning', code: 'password' })), /password is not right/);
  assert.match(joinText(join({ state: 'back', code: 'vanished', back_in: 'home' })), /range any more.*“home”/);
  assert.doesNotMatch(joinText(join({ state: 'back', code: 'timeout' })), /\{/);
  assert.match(joinText(join({ state: 'lost', code: 'password' })), /goes on trying/);
  assert.equal(joinText(join({ state: 'up' })), 'Connected to “café”.');
  assert.match(joinText(join({ state: 'up', code: 'forbidden' })), /only until the next start/);
  assert.deepEqual(['joining', 'returning', 'up', 'back', 'lost'].map((state) => isMoving({ state })),
    [true, true, false, false, false]);
  assert.equal(isMoving(null), false);
});

test('what the machine refused is said by its code, the rest as everywhere', () => {
  assert.equal(errorText(new ApiError(409, 'busy', '')), problemText('busy'));
  assert.match(errorText(new ApiError(429, 'slow_down', '')), /Wait a moment/);
  assert.match(errorText(new ApiError(0, 'offline', '')), /cannot be reached/);
  assert.equal(problemText('who knows'), problemText('failed'));
});

const MACHINE = {
  model: 'Raspberry Pi 4', celsius: 51.6, load: 0.42, cores: 4, uptime_s: 100, memory_mb: 2000,
  memory_free_mb: 512, disk_mb: 30_000, disk_free_mb: 12_000, undervoltage: 'now',
  throttled: 'before', time: Date.now() / 1000, clock_is_set: true,
  addresses: [{ interface: 'wwan0', addresses: ['10.0.0.2', 'fd00::1'] }],
};

test('how the machine is', () => {
  const facts = Object.fromEntries(machineFacts(MACHINE));
  assert.equal(facts.Temperature, '52 °C');
  assert.equal(facts.Memory, '512 MB of 2.0 GB free');
  assert.equal(facts['Power supply'], 'too weak now');
  assert.equal(facts['Speed of the computer'], 'was slowed down since the start');
  assert.equal(facts.Address, 'wwan0: 10.0.0.2, fd00::1');
});

test('what a machine does not know is left out, and a wrong clock is said', () => {
  const facts = Object.fromEntries(machineFacts({
    ...MACHINE, model: '', celsius: null, load: null, uptime_s: null, memory_free_mb: null,
    disk_mb: null, undervoltage: null, throttled: null, addresses: [],
    time: Date.now() / 1000 - 86400 * 365,
  }));
  assert.deepEqual(Object.keys(facts), ['Disk', 'Clock']);
  assert.match(facts.Clock, /differs from this device by 365 d/);
  const unset = Object.fromEntries(machineFacts({ ...MACHINE, clock_is_set: false }));
  assert.match(unset.Clock, /not set by the network yet/);
});
