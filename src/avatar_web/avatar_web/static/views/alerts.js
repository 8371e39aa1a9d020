// SPDX-License-Identifier: Apache-2.0
// Alerts, for admins: whom the robot tells what is wrong with it, and when it keeps quiet.

import { ApiError, api, apiText } from '../api.js';
import { t } from '../i18n.js';
import { ask } from './ask.js';
import { button, make, show } from './dom.js';

/** Each in itself, as on the page's own buttons. */
const LANGUAGES = { en: 'English', ro: 'Română', de: 'Deutsch' };
/** The kinds most people have; apprise knows a hundred more. */
const EXAMPLES = ['tgram://TOKEN/CHAT', 'ntfy://ntfy.sh/TOPIC', 'mailtos://NAME:PASSWORD@SERVER'];
/** What a test may fail by and the service may work later all the same. */
const PASSING = new Set(['alert_unreachable', 'alert_refused', 'alert_no_answer']);

/** @typedef {(action: () => Promise<any>, done?: string) => Promise<boolean>} Attempt */

/** @param {HTMLElement} body */
export function renderAlerts(body) {
  const note = make('p', { class: 'form-note', role: 'status' });
  const list = make('ul', { class: 'rows' });
  const when = make('section', {}, make('h3', { text: t('alerts.when') }));
  const anyway = make('div', { class: 'row' });
  /** @type {Attempt} */
  const attempt = async (action, done = '') => {
    note.textContent = t('alerts.wait');
    anyway.replaceChildren();
    try {
      await action();
      note.textContent = done && t(done);
      return true;
    } catch (error) {
      note.textContent = t(apiText(error));
      if (error instanceof ApiError && PASSING.has(error.code)) throw error;
      return false;
    }
  };
  const fill = async () => {
    const { installed, services } = await api('GET', 'api/alerts');
    const lines = services.map((/** @type {any} */ service) => line(service, attempt, fill));
    list.replaceChildren(...lines);
    show(nobody, lines.length === 0);
    show(missing, !installed);
  };
  const nobody = make('p', { text: t('alerts.nobody'), hidden: true });
  const missing = make('p', { class: 'state', text: t('api.alert_missing'), hidden: true });
  body.append(
    make('section', {}, make('p', { text: t('alerts.what') }), missing, note, anyway, nobody, list),
    make('section', {}, make('h3', { text: t('alerts.add') }),
      make('p', { text: t('alerts.how', { examples: EXAMPLES.join(', ') }) }),
      newService(attempt, anyway, fill)),
    when);
  attempt(async () => {
    await fill();
    const { settings } = await api('GET', 'api/settings');
    when.append(times(settings, attempt));
  });
}

/**
 * @param {{id: string, name: string, shown: string}} service
 * @param {Attempt} attempt @param {() => Promise<void>} fill
 */
function line(service, attempt, fill) {
  const path = `api/alerts/services/${service.id}`;
  const name = service.name || service.shown;
  return make('li', {},
    make('span', { class: 'grow' }, make('strong', { text: name }),
      ...(service.name ? [make('small', { text: service.shown })] : [])),
    button('alerts.test', () => {
      attempt(() => api('POST', `${path}/test`, {}), 'alerts.tested').catch(() => undefined);
    }),
    button('users.remove', async () => {
      if (!await ask('alerts.remove_ask', 'users.remove_yes', { name })) return;
      attempt(async () => {
        await api('DELETE', path);
        await fill();
      });
    }));
}

/** @param {Attempt} attempt @param {HTMLElement} anyway @param {() => Promise<void>} fill */
function newService(attempt, anyway, fill) {
  const name = make('input', {
    name: 'name', maxlength: 40, autocomplete: 'off', 'aria-label': t('alerts.name'),
    placeholder: t('alerts.name'),
  });
  const url = make('input', {
    name: 'url', maxlength: 2000, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false',
    required: true, 'aria-label': t('alerts.address'), placeholder: t('alerts.address'),
  });
  const submit = make('button', { type: 'submit', class: 'primary', text: t('alerts.add_test') });
  const form = make('form', { class: 'stack', id: 'new-service' }, name, url, submit);
  const add = async (/** @type {boolean} */ test) => {
    submit.disabled = true;
    const service = { name: name.value.trim(), url: url.value.trim(), test };
    try {
      const added = await attempt(async () => {
        await api('POST', 'api/alerts/services', service);
        await fill();
      }, test ? 'alerts.tested' : 'alerts.added');
      if (added) form.reset();
    } catch {
      anyway.append(button('alerts.anyway', () => add(false)));
    }
    submit.disabled = false;
  };
  form.addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    add(true);
  });
  return form;
}

/** @param {Record<string, any>} settings @param {Attempt} attempt */
function times(settings, attempt) {
  const labelled = (/** @type {string} */ key, /** @type {any} */ input, kind = 'labelled') =>
    make('label', { class: kind }, make('span', { text: t(key) }), input);
  const from = make('input', { name: 'quiet_from', type: 'time', value: settings.quiet_from });
  const to = make('input', { name: 'quiet_to', type: 'time', value: settings.quiet_to });
  const stopped = make('input', {
    name: 'quiet_except_stopped', type: 'checkbox', checked: settings.quiet_except_stopped,
  });
  const language = make('select', { name: 'alerts_language' }, ...Object.entries(LANGUAGES).map(
    ([value, text]) => make('option', { value, text, selected: value === settings.alerts_language })));
  const robot = make('input', {
    name: 'alerts_name', maxlength: 40, autocomplete: 'off', value: settings.alerts_name,
  });
  const form = make('form', { class: 'stack', id: 'alert-settings' },
    labelled('alerts.quiet_from', from), labelled('alerts.quiet_to', to),
    labelled('alerts.stopped', stopped, 'check'), labelled('alerts.language', language),
    labelled('alerts.robot', robot), make('button', { type: 'submit', text: t('users.save') }));
  form.addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    attempt(() => api('POST', 'api/settings', {
      quiet_from: from.value, quiet_to: to.value, quiet_except_stopped: stopped.checked,
      alerts_language: language.value, alerts_name: robot.value.trim(),
    }), 'alerts.saved');
  });
  return form;
}
