// SPDX-License-Identifier: Apache-2.0
// Every way in which the page can lose the person in front of it, as one event.

/**
 * @param {Window} page
 * @param {{stop: (reason: string) => void, back: () => void, leaving: () => void}} on `stop`: let
 *     go of everything now; `back`: the person may be there again; `leaving`: the page is going
 */
export function watchInterlocks(page, on) {
  page.addEventListener('blur', () => on.stop('blur'));
  page.document.addEventListener('visibilitychange', () => {
    if (page.document.hidden) on.stop('hidden');
    else if (page.document.hasFocus()) on.back();
  });
  page.addEventListener('freeze', () => on.stop('freeze'));
  page.addEventListener('pagehide', () => {
    on.stop('pagehide');
    on.leaving();
  });
  page.addEventListener('pageshow', () => on.back());
  page.addEventListener('focus', () => on.back());
  for (const event of ['pointerdown', 'keydown']) {
    page.addEventListener(event, () => on.back(), { capture: true });
  }
  // The pointer also moves over a window that is not the one in use: no sign of a driver.
  page.addEventListener('pointermove', () => {
    if (page.document.hasFocus()) on.back();
  }, { capture: true });
}
