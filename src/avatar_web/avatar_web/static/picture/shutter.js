// SPDX-License-Identifier: Apache-2.0
// The sound of a shutter: two short bursts of noise, made here. Only who asked for it hears it.

const CLICKS_S = [0, 0.07];
const CLICK_S = 0.03;
const LOUDNESS = 0.25;

/** @type {AudioContext | null} */
let context = null;

/** Play it once; a browser without sound stays silent. */
export function shutter() {
  if (!globalThis.AudioContext) return;
  context ??= new AudioContext();
  const noise = context.createBuffer(1, Math.ceil(CLICK_S * context.sampleRate), context.sampleRate);
  const samples = noise.getChannelData(0);
  for (let i = 0; i < samples.length; i += 1) {
    samples[i] = (Math.random() * 2 - 1) * (1 - i / samples.length) ** 2 * LOUDNESS;
  }
  for (const at of CLICKS_S) {
    const source = new AudioBufferSourceNode(context, { buffer: noise });
    source.connect(context.destination);
    source.start(context.currentTime + at);
  }
}
