// SPDX-License-Identifier: Apache-2.0
// The page begins here: who is it, then the door or the cockpit.

import { api, ApiError } from './api.js';
import { Cockpit } from './cockpit.js';
import { t } from './i18n.js';
import { Settings } from './settings.js';
import { retranslateAsk } from './views/ask.js';
import { $, say, show } from './views/dom.js';
import { followLanguage } from './views/languages.js';
import { showLogin } from './views/login.js';
import { showSetup } from './views/setup.js';

const RETRY_MS = 1500;
/** An answer that takes this long is asked for again. */
const ANSWER_MS = 15_000;
/** A page that is not there after this long says what it waits for. */
const QUIET_MS = 1000;

/** The browser's storage; a private window may refuse it. */
function storage() {
  try {
    return globalThis.localStorage;
  } catch (error) {
    console.warn('preferences will not be kept:', error);
    return null;
  }
}

/** @type {Cockpit | null} */
let cockpit = null;
/** Writes again, in another language, what code has written at the door. */
let retranslateDoor = () => {};
const settings = new Settings(storage(), navigator.languages);
followLanguage(settings, () => {
  retranslateDoor();
  retranslateAsk();
  cockpit?.retranslate();
});

/** A fresh page is the surest way to leave nothing of the last person behind. @param {boolean} ended */
function leave(ended) {
  location.replace(ended ? './?ended' : './');
}

/** Why somebody stands at the door, as a key, '' for no special reason. */
function loginNote() {
  const query = new URLSearchParams(location.search);
  if (query.has('token')) return 'login.link_used';
  return query.has('ended') ? 'login.ended' : '';
}

/** Say what the page waits for. @param {string} key */
function waitFor(key) {
  retranslateDoor = () => say($('waiting-text'), t(key));
  retranslateDoor();
}

async function enter() {
  let session;
  try {
    session = await api('GET', 'api/session', undefined, ANSWER_MS);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      show($('waiting'), false);
      retranslateDoor = showLogin(enter, loginNote());
    } else {
      document.title = t('api.offline');
      waitFor('waiting.offline');
      setTimeout(enter, RETRY_MS);  // the robot is starting or out of reach
    }
    return;
  }
  show($('waiting'), false);
  retranslateDoor = () => {};
  document.title = session.robot ? `${session.robot} · avatar` : 'avatar';
  if (location.search) history.replaceState(null, '', './');
  if (session.setup) {
    retranslateDoor = showSetup(enter);
    return;
  }
  cockpit = new Cockpit(session, settings, leave);
  cockpit.open();
}

setTimeout(() => {
  if (!$('waiting').hidden && !$('waiting-text').textContent) waitFor('why.connecting');
}, QUIET_MS);
enter();
