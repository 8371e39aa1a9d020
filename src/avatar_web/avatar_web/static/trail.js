// SPDX-License-Identifier: Apache-2.0
// Where the robot has been, drawn from its odometry as seen from behind it. It stands in for the
// picture: motion can be seen. Open loop, so it is a sketch and says so.

/** @typedef {import('./state.js').Pose} Pose */
/** @typedef {{x: number, y: number}} Point */

const NEW_POINT_M = 0.03;
const MOST_POINTS = 600;
/** The eye: this far behind and above the robot, looking down by this angle. */
const EYE = { backM: 1.5, heightM: 1.15, tilt: 0.48, nearM: 0.3 };
const GRID_M = 0.5;
const VIEW_M = 6;

/**
 * A point of the floor as the robot has it: x ahead, y to the left.
 * @param {Point} point @param {Pose} pose
 * @returns {Point}
 */
export function toRobot(point, pose) {
  const dx = point.x - pose.x;
  const dy = point.y - pose.y;
  const cos = Math.cos(pose.heading);
  const sin = Math.sin(pose.heading);
  return { x: dx * cos + dy * sin, y: dy * cos - dx * sin };
}

/**
 * A point of the floor (as the robot has it) on a screen of this size, null if behind the eye.
 * @param {Point} point @param {number} width @param {number} height
 * @returns {Point | null}
 */
export function project(point, width, height) {
  const ahead = point.x + EYE.backM;
  const depth = ahead * Math.cos(EYE.tilt) + EYE.heightM * Math.sin(EYE.tilt);
  const below = EYE.heightM * Math.cos(EYE.tilt) - ahead * Math.sin(EYE.tilt);
  if (depth < EYE.nearM) return null;
  const focal = Math.min(width * 0.75, height * 1.15);
  return { x: width / 2 - (point.y / depth) * focal, y: height * 0.5 + (below / depth) * focal };
}

/** The path, as points some way apart, the newest last. */
export class Path {
  /** @type {Point[]} */
  points = [];

  /** @param {Pose} pose */
  add(pose) {
    const last = this.points.at(-1);
    if (last && Math.hypot(pose.x - last.x, pose.y - last.y) < NEW_POINT_M) return;
    if (last && Math.hypot(pose.x - last.x, pose.y - last.y) > 1) this.points = [];  // odom restarted
    this.points.push({ x: pose.x, y: pose.y });
    if (this.points.length > MOST_POINTS) this.points.shift();
  }
}

export class Trail {
  #canvas;
  #path = new Path();
  /** @type {Pose} */
  #pose = { x: 0, y: 0, heading: 0 };
  #known = false;
  #colours = { line: '', accent: '', body: '', muted: '' };

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    const style = getComputedStyle(canvas);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    this.#colours = {
      line: colour('--line'), accent: colour('--accent'),
      body: colour('--text'), muted: colour('--muted'),
    };
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param {Pose} pose */
  moved(pose) {
    const { x, y, heading } = this.#pose;
    if (this.#known && x === pose.x && y === pose.y && heading === pose.heading) return;
    this.#known = true;
    this.#pose = pose;
    this.#path.add(pose);
    this.draw();
  }

  draw() {
    const scale = globalThis.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const paint = this.#canvas.getContext('2d');
    if (!paint || !width || !height) return;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    paint.scale(scale, scale);
    paint.lineCap = paint.lineJoin = 'round';
    this.#grid(paint, width, height);
    this.#trail(paint, width, height);
    this.#robot(paint, width, height);
  }

  /**
   * A line on the floor, cut into short pieces so that it can end where the eye does.
   * @param {CanvasRenderingContext2D} paint @param {Point} from @param {Point} to
   * @param {number} width @param {number} height
   */
  #floorLine(paint, from, to, width, height) {
    const pieces = 24;
    for (let i = 0; i < pieces; i += 1) {
      const at = (/** @type {number} */ k) => toRobot({
        x: from.x + ((to.x - from.x) * k) / pieces, y: from.y + ((to.y - from.y) * k) / pieces,
      }, this.#pose);
      const a = at(i);
      const start = project(a, width, height);
      const end = project(at(i + 1), width, height);
      const far = Math.hypot(a.x, a.y) / VIEW_M;
      if (!start || !end || far >= 1) continue;
      paint.globalAlpha = (1 - far) ** 1.5;
      paint.beginPath();
      paint.moveTo(start.x, start.y);
      paint.lineTo(end.x, end.y);
      paint.stroke();
    }
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width @param {number} height */
  #grid(paint, width, height) {
    const { x, y } = this.#pose;
    const first = (/** @type {number} */ v) => Math.ceil((v - VIEW_M) / GRID_M) * GRID_M;
    paint.lineWidth = 1;
    paint.strokeStyle = this.#colours.line;
    for (let line = first(x); line <= x + VIEW_M; line += GRID_M) {
      this.#floorLine(paint, { x: line, y: y - VIEW_M }, { x: line, y: y + VIEW_M }, width, height);
    }
    for (let line = first(y); line <= y + VIEW_M; line += GRID_M) {
      this.#floorLine(paint, { x: x - VIEW_M, y: line }, { x: x + VIEW_M, y: line }, width, height);
    }
    paint.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width @param {number} height */
  #trail(paint, width, height) {
    const points = [...this.#path.points, this.#pose]
      .map((point) => project(toRobot(point, this.#pose), width, height));
    paint.strokeStyle = this.#colours.accent;
    paint.lineWidth = 4;
    paint.lineCap = 'butt';  // round ends would show as dots where two overlap
    points.forEach((point, i) => {
      const before = points[i - 1];
      if (!point || !before) return;
      paint.globalAlpha = 0.2 + 0.8 * (i / points.length);
      paint.beginPath();
      paint.moveTo(before.x, before.y);
      paint.lineTo(point.x, point.y);
      paint.stroke();
    });
    paint.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width @param {number} height */
  #robot(paint, width, height) {
    const shape = (/** @type {[number, number][]} */ corners, /** @type {string} */ fill) => {
      paint.beginPath();
      corners.forEach(([ahead, left], i) => {
        const at = project({ x: ahead, y: left }, width, height);
        if (at) paint[i ? 'lineTo' : 'moveTo'](at.x, at.y);
      });
      paint.closePath();
      paint.fillStyle = fill;
      paint.fill();
    };
    for (const side of [0.15, -0.15]) {
      shape([[0.2, side + 0.035], [0.2, side - 0.035], [-0.2, side - 0.035], [-0.2, side + 0.035]],
        this.#colours.muted);
    }
    shape([[0.15, 0.1], [0.15, -0.1], [-0.17, -0.1], [-0.17, 0.1]], this.#colours.body);
    shape([[0.12, 0], [0.02, 0.06], [0.02, -0.06]], this.#colours.accent);
  }
}
