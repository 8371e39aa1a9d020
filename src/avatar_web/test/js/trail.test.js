// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Path, project, toRobot } from '../../avatar_web/static/trail.js';

test('a point of the floor as the robot has it', () => {
  const at = toRobot({ x: 1, y: 2 }, { x: 1, y: 1, heading: Math.PI / 2 });
  assert.ok(Math.abs(at.x - 1) < 1e-9 && Math.abs(at.y) < 1e-9, 'straight ahead');
});

test('seen from behind: ahead is higher, left is left, far is smaller, behind the eye is nothing', () => {
  const near = project({ x: 0, y: 0 }, 800, 600);
  const far = project({ x: 3, y: 0 }, 800, 600);
  assert.equal(near.x, 400);
  assert.ok(far.y < near.y);
  assert.ok(near.y > 0 && near.y < 600);
  assert.ok(project({ x: 1, y: 1 }, 800, 600).x < 400);
  assert.ok(400 - project({ x: 3, y: 1 }, 800, 600).x < 400 - project({ x: 0, y: 1 }, 800, 600).x);
  assert.equal(project({ x: -9, y: 0 }, 800, 600), null);
});

test('the path grows with distance, not with time, and has an end', () => {
  const path = new Path();
  for (let i = 0; i < 50; i += 1) path.add({ x: 0, y: 0, heading: i });
  assert.equal(path.points.length, 1);
  for (let i = 0; i < 5000; i += 1) path.add({ x: i * 0.05, y: 0, heading: 0 });
  assert.ok(path.points.length <= 600);
  path.add({ x: 0, y: 0, heading: 0 });
  assert.equal(path.points.length, 1, 'odometry began anew');
});
