# SPDX-License-Identifier: Apache-2.0
"""`avatar logs`: what the parts wrote, from the journal of the unit or the files of the run."""

import argparse
import contextlib
import datetime
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.care import running

UNIT = 'avatar.service'
LAST_LINES = 200
LOOK_AGAIN_S = 0.3
# What launch writes before each line of a part: "[motor-2] ...".
_OF_PART = re.compile(r'^(?:\S+ \S+ )?\[(?P<name>[A-Za-z_]\w*)-\d+\]')
# What rcl writes: "[INFO] [1700000000.123456789] [motor]: ...".
_STAMP = re.compile(r'\[(?P<s>\d{9,11}\.\d{3,9})\]')
_AGO = re.compile(r'(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>s|sec|min|m|h|d)\w*(?: ago)?$')
_UNIT_S = {'s': 1, 'sec': 1, 'm': 60, 'min': 60, 'h': 3600, 'd': 86400}


def run(options: argparse.Namespace) -> int:
    """Print them; return 1 where there are none."""
    state_dir: Path = options.state_dir or paths.state_dir(os.environ)
    since_s = moment(options.since, time.time()) if options.since else None
    here = running.look(state_dir, os.environ)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        files = log_files(state_dir, options.part)
        if here.unit or not files:
            unit = here.unit or UNIT
            if has_journal(unit):
                code = from_journal(unit, options, since_s)
                if not files:
                    return code
        if not files:
            print(f'avatar: no logs of {options.part or "any part"} in {state_dir / "run"}; '
                  f'there are: {", ".join(known_parts(state_dir)) or "none"}', file=sys.stderr)
            return 1
        from_files(files, since_s, options.follow, not options.part)
    return 0


def known_parts(state_dir: Path) -> list[str]:
    """Return the parts that have a log."""
    return sorted(path.stem for path in (state_dir / 'run').glob('*.log'))


def moment(text: str, now_s: float) -> float:
    """Return the time (seconds, as time.time) that '10min', '2h', '14:30' or a date means."""
    ago = _AGO.match(text.strip())
    if ago:
        return now_s - float(ago['count']) * _UNIT_S[ago['unit']]
    today = datetime.datetime.fromtimestamp(now_s)
    if re.fullmatch(r'\d{1,2}:\d{2}(:\d{2})?', text):
        hour, minute, *second = map(int, text.split(':'))
        if hour < 24 and minute < 60 and sum(second) < 60:
            return today.replace(hour=hour, minute=minute, second=sum(second)).timestamp()
    if text == 'today':
        return today.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(text).timestamp()
    raise ValueError(f"--since {text!r}: say '10min', '2h', '1d', 'today', '14:30' or "
                     "'2025-10-23 22:10'")


# ---- the journal

def has_journal(unit: str) -> bool:
    """Return whether there is a journal and a unit of this name."""
    if shutil.which('journalctl') is None or shutil.which('systemctl') is None:
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ['systemctl', 'show', '-p', 'LoadState', '--value', unit],
            capture_output=True, text=True, timeout=5, check=False)
        return answer.stdout.strip() == 'loaded'
    return False


def journal_command(
    unit: str, since_s: float | None, follow: bool, lines: int = LAST_LINES
) -> list[str]:
    """Return the command that prints the journal of a unit."""
    words = ['journalctl', '--no-pager', '--quiet', '-o', 'short-iso', '-u', unit]
    words += [f'--since=@{since_s:.0f}'] if since_s is not None else ['-n', str(lines)]
    return [*words, '-f'] if follow else words


def from_journal(unit: str, options: argparse.Namespace, since_s: float | None) -> int:
    """Print the unit's journal, of one part only what launch marks as that part's."""
    command = journal_command(unit, since_s, options.follow,
                              20 * LAST_LINES if options.part else LAST_LINES)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors='replace') as journal:
        assert journal.stdout is not None
        try:
            for line in journal.stdout:
                if not options.part or is_of(options.part, line):
                    print(line, end='', flush=options.follow)
        finally:
            journal.terminate()
    return 0


def is_of(part: str, line: str) -> bool:
    """Return whether a line of the journal was written by a part."""
    # "2025-10-23T22:10:01+0300 robot avatar[812]: [motor-2] ..."
    found = _OF_PART.search(line.partition(']: ')[2] or line)
    return found is not None and found['name'] == part


# ---- files

def log_files(state_dir: Path, part: str | None) -> list[Path]:
    """Return the log files of a part, or of all, the older ones first."""
    folder = state_dir / 'run'
    if part is not None and not re.fullmatch(r'\w+', part):
        return []
    found = []
    for path in sorted(folder.glob(f'{part or "*"}.log')):
        older = [p for n in (9, 8, 7, 6, 5, 4, 3, 2, 1) if (p := Path(f'{path}.{n}')).is_file()]
        found += [*older, path]
    return found


def from_files(
    files: list[Path], since_s: float | None, follow: bool, with_names: bool,
    write: Callable[[str], object] = sys.stdout.write,
) -> None:
    """Print files, each line after its part's name where there are several."""
    parts: dict[str, list[Path]] = {}
    for file in files:
        parts.setdefault(file.name.partition('.log')[0], []).append(file)
    places = {}
    for name, group in parts.items():
        mark = f'{name}: ' if with_names and len(parts) > 1 else ''
        for line in chosen(lines_of(group), since_s):
            write(f'{mark}{line}\n')
        places[name] = (group[-1], _size(group[-1]), mark)
    sys.stdout.flush()
    while follow:
        time.sleep(LOOK_AGAIN_S)
        for name, (path, at, mark) in places.items():
            size = _size(path)
            if size < at:
                at = 0  # a new file has taken its place
            if size > at:
                with path.open('rb') as log:
                    log.seek(at)
                    data = log.read(size - at)
                whole = data[:data.rfind(b'\n') + 1]
                for line in whole.decode(errors='replace').splitlines():
                    write(f'{mark}{line}\n')
                at += len(whole)
                sys.stdout.flush()
            places[name] = (path, at, mark)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def lines_of(files: Iterable[Path]) -> Iterator[str]:
    """Yield the lines of files, one file after the other."""
    for file in files:
        with contextlib.suppress(OSError), file.open(errors='replace') as log:
            for line in log:
                yield line.rstrip('\n')


def chosen(lines: Iterable[str], since_s: float | None) -> Iterable[str]:
    """
    Return the lines since a time, or the last of them.

    Where a line has no time of its own it belongs to the one before it.
    """
    if since_s is None:
        kept = list(lines)
        return kept[-LAST_LINES:]
    result, is_after = [], False
    for line in lines:
        stamp = _STAMP.search(line)
        if stamp:
            is_after = float(stamp['s']) >= since_s
        if is_after:
            result.append(line)
    return result
