# SPDX-License-Identifier: Apache-2.0
"""What the gateway makes of the words of the health node."""

import json
from typing import Any

import pytest

from avatar_web.health import FRESH_S, Health

FINDING = {'code': 'board_missing', 'part': 'motor', 'text': 'no board'}


def said(**values: Any) -> str:
    pairs = {'state': 'STOPPED', 'findings': json.dumps([FINDING]),
             'machine': json.dumps({'disk_free_mb': 12, 'celsius': 48.5}), **values}
    return json.dumps({'message': 'no board', 'values': [
        {'key': key, 'value': value} for key, value in pairs.items()]})


def metrics(health: Health, now: float) -> dict[str, float]:
    return {name + labels: value for name, _, samples in health.samples(now)
            for labels, value in samples}


def test_nobody_has_said_anything() -> None:
    assert Health().about(5.0) == {'state': '', 'message': '', 'findings': [], 'machine': {}}
    assert set(metrics(Health(), 5.0).values()) == {0}


def test_what_was_said_last_holds_for_a_while() -> None:
    health = Health()
    health.update(said(), 100.0)
    about = health.about(100.0 + FRESH_S - 0.1)
    assert about == {'state': 'STOPPED', 'message': 'no board', 'findings': [FINDING],
                     'machine': {'disk_free_mb': 12, 'celsius': 48.5}}
    assert health.about(100.0 + FRESH_S)['state'] == ''


def test_metrics() -> None:
    health = Health()
    health.update(said(), 100.0)
    assert metrics(health, 100.0) == {
        'health_state{state="READY"}': 0, 'health_state{state="DEGRADED"}': 0,
        'health_state{state="STOPPED"}': 1, 'findings{code="board_missing",part="motor"}': 1,
        'machine_disk_free_mb': 12, 'machine_celsius': 48.5}


@pytest.mark.parametrize('value', ['', '{', '3', '"x"', 'null', '[[]]', '[3]'])
def test_values_that_cannot_be_read_say_nothing(value: str) -> None:
    health = Health()
    health.update(said(findings=value, machine=value), 1.0)
    assert health.about(1.0)['machine'] == {}
    assert not [name for name in metrics(health, 1.0) if name.startswith('findings')]


def test_no_label_breaks_out_of_the_text() -> None:
    health = Health()
    health.update(said(findings=json.dumps([{'code': 'a"} 1\nb', 'part': None}])), 1.0)
    assert 'findings{code="a 1b",part="None"}' in metrics(health, 1.0)
