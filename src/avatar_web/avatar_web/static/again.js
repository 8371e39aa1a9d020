// SPDX-License-Identifier: Apache-2.0
// A part of the page did not come: the link broke, or the robot got another version just now.
// Whoever only looks cannot press the browser's reload: the page is loaded anew by itself. A plain
// script, because a module would share the fate of the others.

(() => {
  const AGAIN_MS = 3000;

  async function again() {
    try {
      // Not before the robot answers: a browser's own page of errors would stay.
      const answer = await fetch('./', { cache: 'no-store' });
      if (answer.ok) location.reload();
    } catch (error) {
      console.info('the robot cannot be reached:', error);
    }
    setTimeout(again, AGAIN_MS);
  }

  // What does not load says so on the way down only.
  document.addEventListener('error', ({ target }) => {
    if (target.type === 'module') setTimeout(again, AGAIN_MS);
  }, { capture: true });
})();
