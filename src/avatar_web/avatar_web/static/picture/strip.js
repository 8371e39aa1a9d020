// SPDX-License-Identifier: Apache-2.0
// Reads the stamp off a video: only the strip at the top is drawn, a few pixels for each cell.

import { CELLS, readStamp } from './stamp.js';

/** Pixels that a cell is drawn with; the middle one is looked at. */
const PER_CELL = 3;

export class StripReader {
  #paint;

  constructor() {
    const canvas = document.createElement('canvas');
    canvas.width = CELLS * PER_CELL;
    canvas.height = 1;
    this.#paint = canvas.getContext('2d', { willReadFrequently: true, alpha: false });
  }

  /** @param {HTMLVideoElement} video @returns {number | null} see `readStamp` */
  read(video) {
    const { videoWidth: width } = video;
    if (!this.#paint || !width) return null;
    const cell = width / CELLS;
    // The middle third of the strip's height: an encoder blurs its edges.
    this.#paint.drawImage(video, 0, cell / 3, width, cell / 3, 0, 0, CELLS * PER_CELL, 1);
    const { data } = this.#paint.getImageData(0, 0, CELLS * PER_CELL, 1);
    const luma = new Float32Array(CELLS);
    for (let i = 0; i < CELLS; i += 1) {
      const at = (i * PER_CELL + 1) * 4;
      luma[i] = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    }
    return readStamp(luma);
  }
}
