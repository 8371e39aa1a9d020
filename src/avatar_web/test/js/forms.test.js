// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError, apiText } from '../../avatar_web/static/api.js';
import { passwordProblem } from '../../avatar_web/static/views/setup.js';

test('what is wrong with a password', () => {
  assert.equal(passwordProblem('short', 'short'), 'password.short');
  assert.equal(passwordProblem('long enough', 'long enoug'), 'password.differs');
  assert.equal(passwordProblem('long enough', 'long enough'), '');
});

test('every error of the gateway has a sentence', () => {
  assert.equal(apiText(new ApiError(401, 'credentials', '')), 'api.wrong_password');
  assert.equal(apiText(new ApiError(409, 'last_admin', '')), 'api.last_admin');
  assert.equal(apiText(new ApiError(429, 'slow_down', '')), 'api.too_many');
  assert.equal(apiText(new ApiError(0, 'offline', '')), 'api.offline');
  assert.equal(apiText(new ApiError(418, 'teapot', '')), 'api.failed');
  assert.equal(apiText(new TypeError('x')), 'api.failed');
});
