// SPDX-License-Identifier: Apache-2.0
// The HTTP side of the gateway: JSON in, JSON out, errors as one kind.

/** @type {Record<string, string>} the gateway's code -> text */
const CODES = {
  alert_bad_url: 'api.alert_address',
  alert_no_answer: 'api.alert_silent',
  alert_not_installed: 'api.alert_missing',
  alert_refused: 'api.alert_refused',
  alert_unreachable: 'api.alert_unreachable',
  credentials: 'api.wrong_password',
  exists: 'api.exists',
  last_admin: 'api.last_admin',
  name: 'api.invalid_name',
  password: 'api.weak_password',
  service: 'api.service',
  setting: 'api.setting',
  storage: 'api.storage',
};
/** @type {Record<number, string>} what an HTTP status says where the code says nothing */
const STATUSES = {
  0: 'api.offline',
  401: 'login.ended',
  403: 'api.forbidden',
  429: 'api.too_many',
  503: 'api.too_many',
};

/** What the gateway answered instead of doing it. */
export class ApiError extends Error {
  /** @param {number} status 0: not reached @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {number} [patienceMs] without it: as long as the browser waits
 * @returns {Promise<any>} the decoded answer, null if it is empty
 */
export async function api(method, path, body, patienceMs) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { 'Content-Type': 'application/json' } : {},
      body: body ? JSON.stringify(body) : undefined,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: patienceMs ? AbortSignal.timeout?.(patienceMs) : undefined,
    });
  } catch (error) {
    throw new ApiError(0, 'offline', String(error));
  }
  const text = await response.text();
  const answer = parse(text);
  if (response.ok) return answer;
  throw new ApiError(response.status, answer?.code ?? '', answer?.error ?? text);
}

/** @param {string} text */
function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;  // a proxy's page; the status says enough
    throw error;
  }
}

/**
 * The key of the sentence for an error of the API.
 * @param {unknown} error
 * @returns {string}
 */
export function apiText(error) {
  if (!(error instanceof ApiError)) return 'api.failed';
  return CODES[error.code] ?? STATUSES[error.status] ?? 'api.failed';
}
