# SPDX-License-Identifier: Apache-2.0
"""Who holds what a part that does not work needs: a real stranger on a real port."""

import json
import os
import socket
from dataclasses import asdict
from pathlib import Path

import pytest

from avatar_bringup.health.findings import Finding
from avatar_bringup.health.holding import PERIOD_S, RELOAD_PERIOD_S, Holders, waiting
from avatar_bringup.health.seen import Held
from avatar_bringup.ports import Ports
from avatar_bringup.processes import Place

PART = frozenset({'mediamtx'})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv('AVATAR_RUN', 'of-this-run')
    place = Place(tmp_path, sim=True, host='127.0.0.1', port=0, inner_ports=Ports.free())
    (tmp_path / 'place.json').write_text(json.dumps(
        {'run': 'of-this-run', 'place': asdict(place)}, default=str))
    return place


def test_which_findings_may_be_somebody_elses_doing() -> None:
    codes = ('board_missing', 'media_server_silent', 'hot', 'part_restarting', 'part_held')
    assert waiting(Finding(code, 'rosbridge', {}, 0.0) for code in codes) == {
        'motor', 'mediamtx', 'rosbridge'}


def test_a_stranger_on_a_port_is_named_and_forgotten(tmp_path: Path, place: Place) -> None:
    holders = Holders(tmp_path)
    with socket.create_server(('127.0.0.1', place.ports.rtsp)):
        holders.look_if_due(PART, 0.0)
        (held,) = holders.held
        assert (held.part, held.pid) == ('mediamtx', os.getpid())
        assert str(place.ports.rtsp) in held.resource
        assert f'pid {os.getpid()}' in held.holder
        assert held.next_step
    holders.look_if_due(PART, PERIOD_S / 2)
    assert holders.held == (held,), 'it is not looked at all the time'
    holders.look_if_due(PART, PERIOD_S)
    assert holders.held == ()


def test_who_does_not_wait_is_not_looked_for(tmp_path: Path, place: Place) -> None:
    holders = Holders(tmp_path)
    with socket.create_server(('127.0.0.1', place.ports.rtsp)):
        holders.look_if_due(PART, 0.0)
        assert holders.held
        holders.look_if_due(frozenset(), 1.0)
        assert holders.held == ()


def test_nothing_is_said_of_another_run(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('AVATAR_RUN', 'of-another-run')
    holders = Holders(tmp_path)
    with socket.create_server(('127.0.0.1', place.ports.rtsp)):
        holders.look_if_due(PART, 0.0)
    assert holders.held == ()


def test_root_is_asked_once_a_minute_while_somebody_cannot_be_seen(tmp_path: Path) -> None:
    asked: list[float] = []
    now_s = 0.0
    hidden = Held('tcp port 8554', 'mediamtx', 'a process of another user', pid=0)

    class Hidden(Holders):
        def _look(self, parts: frozenset[str]) -> tuple[Held, ...]:
            return (hidden,)

    holders = Hidden(tmp_path, lambda: asked.append(now_s))
    for _ in range(13):
        holders.look_if_due(PART, now_s)
        now_s += PERIOD_S
    assert asked == [0.0, RELOAD_PERIOD_S, 2 * RELOAD_PERIOD_S]
