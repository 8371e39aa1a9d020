// SPDX-License-Identifier: Apache-2.0
// The robot's clock as this page knows it, from the answers to its pings. Pure: times come in.

/** A round trip this old no longer counts: two crystals drift apart by a millisecond a minute. */
const KEEP_MS = 60_000;
/** What two answers may contradict each other by, beyond their round trips. */
const SLACK_MS = 5;

export class RobotClock {
  /** @type {{atMs: number, tripMs: number, offsetMs: number}[]} the oldest first */
  #answers = [];

  /**
   * An answer to a ping.
   * @param {number} sentMs @param {number} receivedMs both on the page's clock
   * @param {number} robotMs what the robot's clock said in between
   */
  heard(sentMs, receivedMs, robotMs) {
    const answer = {
      atMs: receivedMs, tripMs: receivedMs - sentMs, offsetMs: robotMs - (sentMs + receivedMs) / 2,
    };
    if (!Number.isFinite(answer.offsetMs) || answer.tripMs < 0) return;
    const best = this.#best();
    // Two answers of one clock cannot be further apart than this: the robot was started anew.
    if (best && Math.abs(best.offsetMs - answer.offsetMs)
        > (best.tripMs + answer.tripMs) / 2 + SLACK_MS) this.#answers = [];
    this.#answers = this.#answers.filter(({ atMs }) => receivedMs - atMs < KEEP_MS);
    this.#answers.push(answer);
  }

  /** The robot's time at a time of the page, null while it is not known. @param {number} pageMs */
  at(pageMs) {
    const best = this.#best();
    return best ? pageMs + best.offsetMs : null;
  }

  /** The most by which `at` may be wrong [ms]: half of the quickest round trip. */
  get errorMs() {
    const best = this.#best();
    return best ? best.tripMs / 2 : Infinity;
  }

  /** The quickest answer says most: what it can have waited on either way is least. */
  #best() {
    let best = this.#answers[0];
    for (const answer of this.#answers) if (answer.tripMs <= best.tripMs) best = answer;
    return best;
  }
}
