// SPDX-License-Identifier: Apache-2.0
// Put into a page before its own scripts: notes each frame that any <video> of it presents, with
// the time that is drawn in the frame. bench/picture.py knows the order of the fields.
(() => {
  const CELLS = 40;
  const THUMB = {width: 64, height: 36};
  const frames = [];
  const watched = new WeakSet();
  const contexts = {};
  let compare = false;
  let before = null;

  function drawn(name, video, x, y, w, h, width, height) {
    contexts[name] ??= document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const context = contexts[name];
    // Setting the size clears the canvas and costs: only when it is another one.
    if (context.canvas.width !== width || context.canvas.height !== height) {
      Object.assign(context.canvas, {width, height});
    }
    context.drawImage(video, x, y, w, h, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  }

  function stamp(video) {
    const width = video.videoWidth;
    const row = drawn('strip', video, 0, Math.floor(width / CELLS / 2), width, 1, width, 1);
    let bits = '';
    for (let cell = 0; cell < CELLS; cell += 1) {
      bits += row[4 * Math.floor((cell + 0.5) * width / CELLS) + 1] > 125 ? '1' : '0';
    }
    if (!bits.startsWith('1010')) return null;
    let sum = 0;
    for (let at = 4; at < CELLS; at += 4) sum ^= parseInt(bits.slice(at, at + 4), 2);
    return sum === 0 ? parseInt(bits.slice(4, 36), 2) : null;
  }

  // Mean change of a pixel below the strip since the frame before, 0..255.
  function difference(video) {
    const {videoWidth: w, videoHeight: h} = video;
    const top = Math.ceil(2 * w / CELLS);
    const now = drawn('thumb', video, 0, top, w, h - top, THUMB.width, THUMB.height);
    let sum = 0;
    for (let at = 1; before && at < now.length; at += 4) sum += Math.abs(now[at] - before[at]);
    const mean = before ? sum / (now.length / 4) : null;
    before = now;
    return mean;
  }

  function watch(video) {
    if (watched.has(video)) return;
    watched.add(video);
    const each = (now, meta) => {
      video.requestVideoFrameCallback(each);
      if (!video.videoWidth || !video.checkVisibility()) return;
      frames.push([
        meta.presentationTime, meta.expectedDisplayTime, now, stamp(video), video.videoWidth,
        meta.receiveTime ?? null, meta.processingDuration ?? null,
        compare ? difference(video) : null]);
    };
    video.requestVideoFrameCallback(each);
  }

  function watchAll() {
    for (const video of document.querySelectorAll('video')) watch(video);
  }

  const keys = [];
  for (const type of ['keydown', 'keyup']) {
    addEventListener(type, (event) => {
      if (!event.repeat) keys.push([performance.now(), type]);
    }, {capture: true});
  }

  // Ping and pong of the page's WebSocket: the round trip as its own commands have it.
  const roundTrips = [];
  const RealSocket = window.WebSocket;
  window.WebSocket = class extends RealSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({data}) => {
        if (typeof data !== 'string' || !data.includes('"pong"')) return;
        const {op, t} = JSON.parse(data);
        const sent = this.pings?.get(t);
        if (op === 'pong' && sent !== undefined) {
          this.pings.delete(t);
          roundTrips.push([sent, performance.now() - sent]);
        }
      });
    }

    send(data) {
      if (typeof data === 'string' && data.includes('"ping"')) {
        this.pings ??= new Map();
        this.pings.set(JSON.parse(data).t, performance.now());
      }
      super.send(data);
    }
  };

  new MutationObserver(watchAll).observe(document, {childList: true, subtree: true});
  watchAll();
  window.benchPresented = {
    now: () => performance.now(),
    compare(on) {
      compare = on;
      before = null;
    },
    take: () => ({
      frames: frames.splice(0), keys: keys.splice(0), roundTrips: roundTrips.splice(0)}),
  };
})();
