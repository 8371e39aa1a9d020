// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asksRelease, why } from '../../avatar_web/static/why.js';

const GOOD = {
  online: true, retryInS: 0, eStop: 'clear', stopNumber: '7', role: 'driver',
  lease: { holder: 'Ana', mine: true, state: 'held' },
  motor: { why: 'no_command', commander: 'operator' },
  refused: '', refusedText: '', roundTripMs: 20, maxRoundTripMs: 600, needsRelease: false, trackerLost: false,
  focused: true, resting: false, picture: { old: false, away: false, blind: false },
};
const maria = { holder: 'Maria', mine: false, state: 'held' };

/** @type {[object, string, boolean, boolean][]} what differs, text, blocks, silent */
const CASES = [
  [{}, 'why.ready', false, false],
  [{ online: false, retryInS: 2 }, 'why.offline_retry', true, true],
  [{ online: false }, 'why.connecting', true, true],
  [{ eStop: 'pending' }, 'why.stop_pending', true, false],
  [{ eStop: 'latched' }, 'why.stopped', true, false],
  [{ eStop: 'latched', stopNumber: '' }, 'why.stopped_any', true, false],
  [{ eStop: 'unknown' }, 'why.motor_silent', true, false],
  [{ role: 'viewer', lease: { holder: null, mine: false, state: 'free' } }, 'why.viewer', true, true],
  [{ role: 'viewer', lease: maria }, 'why.someone', true, true],
  [{ lease: { holder: null, mine: false, state: 'free' } }, 'why.nobody', true, true],
  [{ lease: maria }, 'why.someone', true, true],
  [{ lease: { ...maria, state: 'away' } }, 'why.holder_away', true, true],
  [{ motor: null }, 'why.motor_silent', true, false],
  [{ motor: { why: 'not_connected' } }, 'why.not_connected', true, false],
  [{ motor: { why: 'no_watchdog' } }, 'why.no_watchdog', true, false],
  [{ motor: { why: 'two_publishers' } }, 'why.two_publishers', true, false],
  [{ motor: { why: 'state_unwritable' } }, 'why.state_unwritable', true, false],
  [{ motor: { why: '', commander: 'self_test' } }, 'why.self_test', true, true],
  [{ picture: null }, 'why.ready', false, false],
  [{ picture: { old: true, away: false, blind: false } }, 'why.picture_old', true, false],
  [{ picture: { old: true, away: true, blind: false } }, 'why.picture_none', true, false],
  [{ picture: { old: true, away: true, blind: true } }, 'why.ready', false, false],
  [{ focused: false }, 'why.no_focus', true, false],
  [{ needsRelease: true }, 'why.let_go', false, false],
  [{ trackerLost: true }, 'why.tracker_lost', false, false],
  [{ resting: true }, 'why.resting', false, false],
  [{ resting: true, needsRelease: true }, 'why.let_go', false, false],
  [{ resting: true, lease: maria }, 'why.someone', true, true],
  [{ refused: 'link_slow', roundTripMs: 719.6, needsRelease: true }, 'why.link_slow_ms', false, false],
  [{ roundTripMs: 601 }, 'why.link_slow_ms', false, false],
  [{ refused: 'link_slow', roundTripMs: null }, 'why.link_slow', false, false],
  [{ refused: 'late' }, 'why.late', false, false],
  [{ refused: 'no_answer_yet' }, 'why.no_answer_yet', false, false],
  [{ refused: 'waiting_neutral' }, 'why.let_go', false, false],
  [{ refused: 'something_new', refusedText: 'Something new.' }, 'why.other', false, false],
];

for (const [difference, key, blocks, silent] of CASES) {
  test(`${key}: ${JSON.stringify(difference)}`, () => {
    const reason = why({ ...GOOD, ...difference });
    assert.equal(reason.key, key);
    assert.equal(reason.blocks, blocks);
    assert.equal(reason.silent, silent);
  });
}

test('names and numbers are given to the text', () => {
  assert.deepEqual(why({ ...GOOD, lease: maria }).params, { name: 'Maria' });
  assert.deepEqual(why({ ...GOOD, eStop: 'latched' }).params, { number: '7' });
  assert.deepEqual(why({ ...GOOD, refused: 'link_slow', roundTripMs: 719.6 }).params, { ms: 720 });
});

test('a stop is said before anything else that also holds', () => {
  assert.equal(why({ ...GOOD, eStop: 'latched', lease: maria, motor: null }).key, 'why.stopped');
});

test('a hiccup does not ask for a release, a lost link does', () => {
  assert.equal(asksRelease('late'), false);
  assert.equal(asksRelease('link_slow'), true);
  assert.equal(asksRelease('waiting_neutral'), true);
  assert.equal(asksRelease(''), false);
});
