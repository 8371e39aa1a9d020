# SPDX-License-Identifier: Apache-2.0
"""The session report, its percentiles, and what the gateway knows of the motor node."""

import json
import random

import pytest

from avatar_web.driving.motor import Motor
from avatar_web.driving.report import MAX_DRIVES, MAX_STOPS, Histogram, Report


def test_percentiles_are_within_three_percent():
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(-4, 1.0) for _ in range(20_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for percent in (50, 95, 99):
        exact = values[round(len(values) * percent / 100)]
        assert histogram.percentile_s(percent) == pytest.approx(exact, rel=0.06)
    assert histogram.summary_ms()['max'] == pytest.approx(1000 * values[-1], abs=0.01)


def test_percentiles_of_nothing_and_of_extremes():
    histogram = Histogram()
    assert histogram.summary_ms() == {'count': 0, 'p50': 0.0, 'p95': 0.0, 'p99': 0.0, 'max': 0.0}
    for value in (0.0, 1e-9, 1e9):
        histogram.add(value)
    assert histogram.percentile_s(100) > 60


def test_a_drive_is_told_with_who_how_long_and_what_was_refused():
    report = Report('tank', '0.1.0', 100.0, 5000.0)
    report.begin('ann', 101.0, 5001.0)
    report.command(0.05)
    report.answer(0.02, True)
    report.refuse('late', True)
    report.refuse('no_lease', False)
    report.stop('silent', 'ann', 102.0, 5002.0)
    report.end('released', 103.0)
    summary = json.loads(json.dumps(report.summary(110.0)))
    (drive,) = summary['drives']
    assert (drive['who'], drive['lasted_s'], drive['end']) == ('ann', 2.0, 'released')
    assert drive['refused'] == {'late': 1}
    assert summary['refused'] == {'late': 1, 'no_lease': 1}
    assert drive['command_age_ms']['count'] == 1
    assert summary['stops'][0] == {'unix_s': 5002.0, 'at_s': 2.0, 'why': 'silent', 'who': 'ann'}


def test_a_drive_that_lasts_is_in_the_report():
    report = Report('tank', '0.1.0', 0.0, 0.0)
    report.begin('ann', 1.0, 1.0)
    assert report.summary(5.0)['drives'][0]['end'] == 'not yet'


def test_memory_is_bounded():
    report = Report('tank', '0.1.0', 0.0, 0.0)
    for i in range(5000):
        report.begin('ann', i, i)
        report.stop('silent', 'ann', i, i)
        report.end('released', i)
    summary = report.summary(6000.0)
    assert (len(summary['drives']), len(summary['stops'])) == (MAX_DRIVES, MAX_STOPS)
    assert summary['stops_by_reason'] == {'silent': 5000}


def state(**values):
    return json.dumps({'message': 'stands', 'values': [
        {'key': k, 'value': v} for k, v in values.items()]})


def test_the_motor_node_is_gone_after_three_seconds_of_silence():
    motor = Motor()
    assert not motor.is_seen(0.0)
    motor.update(state(connected='true'), 10.0)
    assert motor.is_connected(12.9)
    assert not motor.is_connected(13.1)
    motor.update(state(connected='false', why='not_connected'), 14.0)
    assert motor.is_seen(14.0)
    assert not motor.is_connected(14.0)
    assert motor.why == 'not_connected'


@pytest.mark.parametrize('number', [None, '7', 7.0, True, 6, 8, [7]])
def test_a_reset_names_the_latest_stop(number):
    motor = Motor()
    assert 'not said its stop number' in motor.reset_problem(7)
    motor.update(state(stop_number='7'), 0.0)
    assert motor.reset_problem(7) is None
    assert motor.reset_problem(number)


def test_limits_of_the_motor_node_are_taken_only_if_they_are_limits():
    motor = Motor()
    for speed, turn in (('nan', '1'), ('0', '1'), ('x', '1'), ('-1', '1'), ('1', 'inf')):
        motor.update(state(max_speed_mps=speed, max_turn_radps=turn), 0.0)
        assert motor.limits is None
    motor.update(state(max_speed_mps='0.4', max_turn_radps='1.2'), 0.0)
    assert (motor.limits.max_speed_mps, motor.limits.max_turn_radps) == (0.4, 1.2)
