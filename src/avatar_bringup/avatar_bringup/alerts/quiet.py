# SPDX-License-Identifier: Apache-2.0
"""Quiet hours. Pure."""


def minute_of(text: str) -> int | None:
    """Return the minute of the day of 'HH:MM', None for anything else."""
    hours, colon, minutes = text.partition(':')
    if not colon or not (hours + minutes).isdecimal():
        return None
    return int(hours) * 60 + int(minutes)


def is_quiet(minute: int, begin: str, end: str) -> bool:
    """Return whether a minute of the day lies in [begin, end), which may go over midnight."""
    first, last = minute_of(begin), minute_of(end)
    if first is None or last is None:
        return False
    if first <= last:
        return first <= minute < last
    return minute >= first or minute < last
