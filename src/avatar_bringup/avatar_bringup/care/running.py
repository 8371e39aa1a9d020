# SPDX-License-Identifier: Apache-2.0
"""What runs on a state folder, read from the lock and /proc; nothing of it is asked."""

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from avatar_bringup import parts as record
from avatar_bringup.care.problem import Problem
from avatar_bringup.lock import holder
from avatar_bringup.ports import DEFAULT_PORT
from avatar_bringup.processes import Place, Process, table
from avatar_bringup.sockets import command_line
from avatar_bringup.who import unit_of

PROC = Path('/proc')
TICK_S = 1 / os.sysconf('SC_CLK_TCK')


class NotAllowed(Problem):
    """The state folder is another user's; the text says what to do."""


@dataclass(frozen=True)
class Part:
    """
    One process of the table, as its supervisor and the kernel see it.

    `state` is running, restarting or given_up, '' where no supervisor wrote it down; `pid` 0: it
    does not run. CPU in percent of one core, memory in MB, with everything it has started.
    """

    name: str
    state: str = ''
    pid: int = 0
    deaths: int = 0
    words: str = ''
    cpu_percent: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Run:
    """Who holds the lock of a state folder; pid 0: nobody."""

    state_dir: Path
    pid: int = 0
    command: str = ''
    unit: str = ''
    port: int = DEFAULT_PORT


def look(state_dir: Path, environ: Mapping[str, str]) -> Run:
    """Return what runs on a state folder; NotAllowed where we may not look."""
    check_readable(state_dir)
    pid = holder(state_dir / 'lock')
    try:
        port = int((state_dir / 'gateway.port').read_text())
    except (OSError, ValueError):
        text = environ.get('AVATAR_PORT', '')
        port = int(text) if text.isdecimal() else DEFAULT_PORT
    if not pid:
        return Run(state_dir, port=port)
    return Run(state_dir, pid, command_line(pid), unit_of(pid)[0], port)


def check_readable(state_dir: Path) -> None:
    """Raise NotAllowed where the state folder is there and not ours to read."""
    try:
        os.listdir(state_dir)
    except PermissionError:
        raise NotAllowed(f'the state folder {state_dir} belongs to another user: '
                         'run it as root, sudo avatar ...') from None
    except OSError:
        return  # there is none, or no folder: whoever needs it says so


def parents(proc: Path = PROC) -> dict[int, int]:
    """Return the parent of every process there is."""
    result = {}
    for name in os.listdir(proc):
        fields = _stat(int(name), proc) if name.isdigit() else None
        if fields:
            result[int(name)] = int(fields[1])
    return result


def below(pid: int, tree: Mapping[int, int]) -> list[int]:
    """Return the processes that `pid` has started, and those they have, without itself."""
    found: list[int] = []
    ways = {pid}
    while ways:
        children = {child for child, parent in tree.items() if parent in ways} - {pid}
        children -= set(found)
        found += sorted(children)
        ways = children
    return found


def _stat(pid: int, proc: Path = PROC) -> list[str] | None:
    """Return the fields of /proc/PID/stat behind the name, state first; None where it is gone."""
    try:
        # The name in parentheses may contain blanks.
        return (proc / str(pid) / 'stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None


def _cpu_s(pids: Iterable[int], proc: Path = PROC) -> float:
    total = 0.0
    for pid in pids:
        fields = _stat(pid, proc)
        if fields:
            total += (int(fields[11]) + int(fields[12])) * TICK_S
    return total


def _memory_mb(pid: int, proc: Path = PROC) -> float:
    """Return the proportional set size, where that may be read, else what is resident."""
    folder = proc / str(pid)
    try:
        found = re.search(r'^Pss:\s+(\d+) kB', (folder / 'smaps_rollup').read_text(), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    except OSError:
        pass
    try:
        return int((folder / 'statm').read_text().split()[1]) * os.sysconf('SC_PAGESIZE') / 2**20
    except (OSError, IndexError):
        return 0.0


def words_of(pid: int, proc: Path = PROC) -> list[str]:
    """Return the words of a process' command line; none where it is gone."""
    try:
        data = (proc / str(pid) / 'cmdline').read_bytes()
    except OSError:
        return []
    return data.decode(errors='replace').rstrip('\0').split('\0')


def part_of(words: list[str], rows: list[Process]) -> str:
    """Return which row of the table a command line is of, '' for none."""
    for row in rows:
        if any(w.endswith(f'/{row.package}/{row.executable}') for w in words):
            return row.name
        if f'__node:={row.name}' in words:
            return row.name
    # The media server becomes MediaMTX.
    names = {row.name for row in rows}
    return next((name for w in words[:1] if (name := Path(w).name) in names), '')


def parts(run: Run, over_s: float = 0.5, proc: Path = PROC) -> list[Part]:
    """Return the parts of a run; CPU is measured over `over_s` seconds."""
    written = record.read(run.state_dir / 'run') if run.pid else {}
    rows = {row.name: row for sim in (False, True)
            for row in table(Place(run.state_dir, sim=sim, ros=True))}
    found = {name: Part(name, about.state, 0, about.deaths, about.words)
             for name, about in written.items()}
    tree = parents(proc) if run.pid else {}
    for pid in below(run.pid, tree):
        name = part_of(words_of(pid, proc), list(rows.values()))
        known = found.get(name, Part(name))
        if name and not known.pid:
            found[name] = replace(known, pid=pid)
    order = [*written, *rows]
    return _measured(sorted(found.values(), key=lambda part: order.index(part.name)),
                     tree, over_s, proc)


def _measured(
    found: list[Part], tree: Mapping[int, int], over_s: float, proc: Path
) -> list[Part]:
    groups = {part.name: [part.pid, *below(part.pid, tree)] for part in found if part.pid}
    before = {name: _cpu_s(pids, proc) for name, pids in groups.items()}
    began_s = time.monotonic()
    if groups:
        time.sleep(over_s)
    elapsed_s = max(time.monotonic() - began_s, 1e-3)
    return [part if part.name not in groups else replace(
        part,
        cpu_percent=max(0.0, _cpu_s(groups[part.name], proc) - before[part.name])
        / elapsed_s * 100,
        memory_mb=sum(_memory_mb(pid, proc) for pid in groups[part.name])) for part in found]


def environment_of(pid: int, proc: Path = PROC) -> dict[str, str]:
    """Return the environment a process was started with; empty where we may not look."""
    try:
        data = (proc / str(pid) / 'environ').read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition('=') for entry in data.decode(errors='replace').split('\0'))
    return {name: value for name, mark, value in pairs if mark}
