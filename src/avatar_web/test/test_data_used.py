# SPDX-License-Identifier: Apache-2.0
"""How much data was used, by day and month; years in a moment."""

import datetime
import json

import pytest

from avatar_web.media.sessions import Seen
from avatar_web.media.volume import Volume
from avatar_web.system.data_used import DAYS, MONTHS, MOST_NAMES, DataUsed, counters

DAY = datetime.date(2026, 11, 26)

PROC_NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo: 1000 5 0 0 0 0 0 0 1000 5 0 0 0 0 0 0
  eth0:0 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0
 wwan0: 123456789012 5 0 0 0 0 0 0 42 5 0 0 0 0 0 0
   odd: x 5 0 0 0 0 0 0 42 5
 short: 5
"""


def used(data, day=0):
    return {one['name']: (one['received'], one['sent'])
            for one in data.for_page()['days'][day]['used']}


def test_the_kernels_table():
    assert counters(PROC_NET_DEV) == {'eth0': (0, 7), 'wwan0': (123456789012, 42)}
    assert counters('') == {}


def test_differences_are_summed_by_day_and_month():
    data = DataUsed()
    data.count({'wwan0': (10**9, 10**9)}, 'boot', DAY)  # the days before are nobody's
    data.count({'wwan0': (10**9 + 5, 10**9 + 7)}, 'boot', DAY)
    data.count({'wwan0': (10**9 + 6, 10**9 + 7), 'eth0': (3, 4)}, 'boot', DAY)
    assert used(data) == {'wwan0': (6, 7), 'eth0': (3, 4)}
    data.count({'wwan0': (10**9 + 16, 10**9 + 7)}, 'boot', DAY + datetime.timedelta(days=6))
    assert used(data) == {'wwan0': (10, 0)}
    assert [one['month'] for one in data.for_page()['months']] == ['2026-12', '2026-11']


def test_an_interface_that_comes_again_counts_from_zero():
    data = DataUsed()
    data.count({'wwan0': (500, 500)}, 'boot', DAY)
    data.count({'wwan0': (30, 20)}, 'boot', DAY)
    assert used(data) == {'wwan0': (30, 20)}
    data.count({}, 'boot', DAY)
    data.count({'wwan0': (31, 20)}, 'boot', DAY)
    assert used(data) == {'wwan0': (31, 20)}


def test_a_restart_of_the_program_loses_nothing_and_one_of_the_machine_little():
    data = DataUsed()
    data.count({'eth0': (100, 0)}, 'one', DAY)
    kept = json.loads(json.dumps(data.to_json()))
    data = DataUsed(kept)
    data.count({'eth0': (150, 0)}, 'one', DAY)
    assert used(data) == {'eth0': (50, 0)}
    data = DataUsed(json.loads(json.dumps(data.to_json())))
    data.count({'eth0': (40, 1)}, 'two', DAY)
    assert used(data) == {'eth0': (90, 1)}
    data.count({'eth0': (200, 1)}, 'three', DAY)  # more than before, but of another start
    assert used(data) == {'eth0': (290, 2)}


def test_a_clock_that_is_years_back_gets_no_day_of_its_own():
    data = DataUsed()
    data.count({'eth0': (0, 0)}, 'boot', datetime.date(1970, 1, 1))
    data.count({'eth0': (9, 0)}, 'boot', datetime.date(1970, 1, 1))
    assert data.for_page()['days'] == []
    data.count({'eth0': (10, 0)}, 'boot', DAY)
    assert used(data) == {'eth0': (10, 0)}


def test_what_is_kept_is_bounded():
    data = DataUsed()
    data.count({}, 'boot', DAY)
    for day in range(1200):
        total = day + 1
        data.count({f'veth{day % 100}': (total, 0), 'eth0': (total, total)}, 'boot',
                   DAY + datetime.timedelta(days=day))
    assert len(data.for_page()['days']) == DAYS
    assert len(data.for_page()['months']) == MONTHS
    assert all(len(one['used']) <= MOST_NAMES + 2 for one in data.for_page()['months'])
    assert len(json.dumps(data.to_json())) < 100_000


def test_the_picture_is_a_part():
    data = DataUsed()
    data.count({'eth0': (0, 0)}, 'boot', DAY)
    data.picture(70, DAY)
    data.count({'eth0': (0, 100)}, 'boot', DAY)
    assert used(data) == {'picture': (0, 70), 'eth0': (0, 100)}


@pytest.mark.parametrize('kept', [
    None, [], 'x', 1, {}, {'days': [], 'months': None, 'boot': 5, 'last': 'x'},
    {'days': {'2026-13-99': {'a': [1, 2]}, '2026-01-01': {'a': [1], 'b': [1, 'x'], 'c': [-1, 0],
              'd': [float('nan'), 1], 'e': None}}},
    {'days': {f'2026-01-{n:02}': {f'n{n}': [1, 2] for n in range(500)} for n in range(1, 32)}},
])
def test_what_makes_no_sense_is_forgotten(kept):
    data = DataUsed(kept)
    data.count({'eth0': (1, 1)}, 'boot', DAY)
    data.count({'eth0': (3, 1)}, 'boot', DAY)
    assert used(data) == {'eth0': (2, 0)}
    json.dumps(data.to_json(), allow_nan=False)


def seen(id_, sent):
    return Seen(id_, 'camera', '', '', True, 0, sent)


def test_the_picture_is_counted_by_session():
    volume = Volume()
    volume.seen([seen('old', 1000)])  # of the gateway before
    volume.seen([seen('old', 1010), seen('new', 5)])
    assert volume.total == 15
    volume.seen([seen('new', 5)])
    volume.seen([seen('new', 2), seen('again', 1)])
    volume.seen([])
    assert volume.total == 16
