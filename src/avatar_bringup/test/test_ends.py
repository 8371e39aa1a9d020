# SPDX-License-Identifier: Apache-2.0
"""How long a start waits for the bad ends before it."""

from pathlib import Path

import pytest

from avatar_bringup.ends import WINDOW_S, Ends, delay_s


class Clock:
    """A computer's time since its boot, and which boot that was."""

    def __init__(self, folder: Path) -> None:
        self.now, self.boot_id = 1000.0, folder / 'boot_id'
        self.boot('one')

    def boot(self, name: str) -> None:
        self.boot_id.write_text(name + '\n')

    def ends(self, state_dir: Path) -> Ends:
        return Ends(state_dir, lambda: self.now, self.boot_id)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def test_the_first_bad_ends_cost_nothing_and_none_costs_more_than_a_minute() -> None:
    delays = [delay_s(bad) for bad in range(100)]
    assert delays[:3] == [0, 0, 0]
    assert delays == sorted(delays)
    assert max(delays) == 60


def test_ends_that_nobody_wanted_are_counted(clock: Clock, tmp_path: Path) -> None:
    for number in range(5):
        assert clock.ends(tmp_path).bad() == number
        clock.ends(tmp_path).begin()
        clock.now += 10


def test_an_end_that_was_wanted_is_not(clock: Clock, tmp_path: Path) -> None:
    for _ in range(20):
        clock.ends(tmp_path).begin()
        clock.ends(tmp_path).well()
    assert clock.ends(tmp_path).bad() == 0


def test_a_long_run_and_a_boot_make_it_forget(clock: Clock, tmp_path: Path) -> None:
    for _ in range(3):
        clock.ends(tmp_path).begin()
    clock.now += WINDOW_S / 2
    clock.ends(tmp_path).begin()
    clock.now += WINDOW_S / 2
    assert clock.ends(tmp_path).bad() == 1
    clock.boot('two')
    assert clock.ends(tmp_path).bad() == 0


@pytest.mark.parametrize('text', ['', '[]', '{"boot": "one"}', '{"boot": "one", "starts": "x"}',
                                  '{"boot": "one", "starts": [null]}'])
def test_a_broken_record_is_none(text: str, clock: Clock, tmp_path: Path) -> None:
    ends = clock.ends(tmp_path)
    ends.begin()
    ends.path.write_text(text)
    assert ends.bad() == 0
    ends.begin()
    assert ends.bad() == 1


def test_a_folder_that_cannot_be_written_keeps_nobody_down(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / 'run').write_text('in the way')
    clock.ends(tmp_path).begin()
    assert clock.ends(tmp_path).bad() == 0
