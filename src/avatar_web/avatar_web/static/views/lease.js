// SPDX-License-Identifier: Apache-2.0
// Who drives: always in sight; take it, hand it over, let it go.

import { t } from '../i18n.js';
import { ask } from './ask.js';
import { $, say, show } from './dom.js';

/** @typedef {import('../state.js').RobotState} RobotState */

/**
 * Would taking control take it from another person? Not from one's own other tab, nor from
 * oneself on a device that lost its connection.
 * @param {RobotState} state
 */
export function takesFromSomebody({ lease, hello }) {
  if (!lease.holder || lease.mine) return false;
  if (lease.session === hello?.session) return false;
  return lease.state !== 'away' || lease.holder !== hello?.name;
}

export class LeaseView {
  #connection;
  #state;

  /**
   * @param {import('../connection.js').Connection} connection
   * @param {RobotState} state
   * @param {() => void} openPeople
   */
  constructor(connection, state, openPeople) {
    this.#connection = connection;
    this.#state = state;
    $('lease-take').addEventListener('click', () => this.#take());
    $('lease-release').addEventListener('click', () => this.#release());
    $('lease-give').addEventListener('click', openPeople);
  }

  /** @param {object} what */
  #send(what) {
    this.#connection.send({ op: 'lease', ...what });
  }

  async #take() {
    const { holder, mine } = this.#state.lease;
    if (mine) return;
    if (takesFromSomebody(this.#state) && !await ask('lease.take_ask', 'lease.take_yes', { name: holder ?? '' })) return;
    this.#send({ action: 'take' });
  }

  /** Control that was let go by mistake may be somebody else's at once: asked about. */
  async #release() {
    if (await ask('lease.release_ask', 'lease.release_yes')) this.#send({ action: 'release' });
  }

  /** @param {{name: string, session: string}} person */
  async give(person) {
    if (!await ask('lease.give_ask', 'lease.give_yes', { name: person.name })) return;
    this.#send({ action: 'give', to: person.session });
  }

  /** Programs may drive beside the holder, or not. @param {boolean} allow */
  allow(allow) {
    this.#send({ action: 'allow', cmd_vel: allow });
  }

  /** @param {boolean} online */
  render(online) {
    const { lease, hello } = this.#state;
    const mayDrive = online && hello !== null && hello.role !== 'viewer';
    const whose = !online ? 'offline' : lease.mine ? 'mine' : lease.holder ? 'other' : 'free';
    $('lease').dataset.whose = whose;
    const text = {
      offline: t('lease.offline'),
      mine: t('lease.mine'),
      other: t('lease.other', { name: lease.holder ?? '' }),
      free: t('lease.free'),
    }[whose];
    say($('lease-who'), text);
    say($('lease-take'), t(whose === 'other' ? 'lease.take_over' : 'lease.take'));
    show($('lease-take'), mayDrive && !lease.mine);
    show($('lease-release'), mayDrive && lease.mine);
    show($('lease-give'), mayDrive && lease.mine && this.others().length > 0);
  }

  /** Who could be given control. */
  others() {
    const { people, hello } = this.#state;
    return people.filter((person) => person.session !== hello?.session && person.role !== 'viewer');
  }
}
