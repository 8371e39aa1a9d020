// SPDX-License-Identifier: Apache-2.0
// The first part of the page that runs. The session to the camera begins before the rest is there:
// a first picture waits for the encoder and the network, and they need not wait for the page.

import { api } from '../api.js';
import { Whep } from './whep.js';

/** The rest of the page waits no longer for the robot's answer. */
const PATIENCE_MS = 400;

/** Tried once, for somebody who may be nobody yet; the player goes on with it. */
export const session = new Whep(new URL('whep/camera', document.baseURI).href, {
  track: (stream) => {
    play(stream);
    rest();
  },
  changed: () => {
    if (!session.problem) return;
    session.close();
    rest();
  },
}, { iceServers: async () => (await api('GET', 'api/camera')).ice_servers ?? [] });

/** Show a stream, which may be shown already. @param {MediaStream} stream */
export function play(stream) {
  const video = /** @type {HTMLVideoElement | null} */ (document.getElementById('picture'));
  if (!video || video.srcObject === stream) return;
  video.srcObject = stream;
  video.play().catch((error) => {
    // A newer stream took its place, which plays itself; anything else is worth knowing.
    if (error.name !== 'AbortError') console.warn('the picture does not play:', error);
  });
}

/** Let the rest of the page come: what is in its template. */
function rest() {
  const template = /** @type {HTMLTemplateElement | null} */ (document.getElementById('parts'));
  if (!template) return;
  document.head.append(template.content);
  template.remove();
}

if (document.hidden) {
  rest();
} else {
  setTimeout(rest, PATIENCE_MS);
  session.open();
}
