// SPDX-License-Identifier: Apache-2.0
// The tabs of the sheet, and who has which.

import { Gallery } from '../picture/gallery.js';
import { renderPictureTab } from '../picture/tab.js';
import { renderMachine } from '../system/machine.js';
import { renderWifi } from '../system/wifi.js';
import { renderAccount } from './account.js';
import { renderAlerts } from './alerts.js';
import { renderHealth } from './health.js';
import { renderPeople } from './people.js';
import { renderDriving, renderHelp, renderLooking } from './preferences.js';
import { renderSelfTest } from './selftest.js';
import { renderUsers } from './users.js';

/** Tabs that only admins have. */
export const ADMIN_TABS = new Set(['users', 'alerts', 'system', 'wifi', 'selftest']);

/**
 * @param {{settings: import('../settings.js').Settings, state: import('../state.js').RobotState,
 *     connection: import('../connection.js').Connection, lease: import('./lease.js').LeaseView,
 *     picture: import('../picture/picture.js').Picture | null,
 *     motor: () => Record<string, string> | null, who: {name: string, role: string},
 *     notice: (text: string) => void, close: () => void, loggedOut: () => void}} parts
 * @returns {import('./sheet.js').Tab[]}
 */
export function sheetTabs({
  settings, state, connection, lease, picture, motor, who, notice, close, loggedOut,
}) {
  return [
    { id: 'prefs', title: 'menu.prefs', render: (body) => renderDriving(body, settings) },
    { id: 'looking', title: 'menu.looking', render: (body) => renderLooking(body, settings) },
    ...(picture ? pictureTabs(picture, settings) : []),
    { id: 'people', title: 'menu.people', render: (body) => renderPeople(body, state, lease, close) },
    { id: 'health', title: 'menu.health',
      render: (body) => renderHealth(body, state.health(performance.now())) },
    { id: 'account', title: 'menu.account', render: (body) => renderAccount(body, who, loggedOut) },
    { id: 'users', title: 'menu.users', render: (body) => renderUsers(body, who.name) },
    { id: 'alerts', title: 'menu.alerts', render: renderAlerts },
    { id: 'system', title: 'menu.system', render: renderMachine },
    { id: 'wifi', title: 'menu.wifi', render: renderWifi },
    { id: 'selftest', title: 'menu.selftest',
      render: (body) => renderSelfTest(body, motor(), connection, notice) },
    { id: 'help', title: 'menu.help', render: renderHelp },
  ];
}

/**
 * @param {import('../picture/picture.js').Picture} picture
 * @param {import('../settings.js').Settings} settings
 * @returns {import('./sheet.js').Tab[]}
 */
function pictureTabs(picture, settings) {
  const gallery = new Gallery(() => picture.shown.driver);
  return [
    { id: 'picture', title: 'menu.picture',
      render: (body) => renderPictureTab(body, picture, settings) },
    { id: 'gallery', title: 'menu.gallery', render: (body) => gallery.render(body) },
  ];
}
