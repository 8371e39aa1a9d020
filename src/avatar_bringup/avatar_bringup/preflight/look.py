# SPDX-License-Identifier: Apache-2.0
"""Everything preflight looks at, as findings; what is held is waited for, none of it is fatal."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from avatar_bringup.paths import written
from avatar_bringup.preflight import hidden, resources, units
from avatar_bringup.preflight.finding import Finding, Kind
from avatar_bringup.preflight.leftovers import RUN_VARIABLE, former, marks
from avatar_bringup.preflight.resources import Resource, Sort
from avatar_bringup.processes import Place, table
from avatar_bringup.sockets import LISTEN, Bound, bound, inodes, pids
from avatar_bringup.who import Who, way_out, who
from avatar_node.holders import holders_of

ANY = ('0.0.0.0', '::', '')


def findings(
    place: Place,
    environ: Mapping[str, str],
    run: str,
    parts: Collection[str] | None = None,
    root: Path = Path('/'),
    seen_by_root: Path = hidden.FILE,
) -> list[Finding]:
    """
    Return what else holds what the parts need, all or those named, and who starts the same.

    `run` marks our own processes, which do not count ('' where none of ours runs).
    """
    rows = [row for row in table(place) if parts is None or row.name in parts]
    host = place.host or str(written('gateway', environ, place.state_dir).get('host', ''))
    media_host = '127.0.0.1' if not host or host.startswith(('127.', 'localhost', '::1')) else ''
    result = held([*resources.ports(place, rows, media_host),
                   *resources.devices(place, rows, environ)], run, seen_by_root)
    if parts is None:
        result += [_left(who(pid)) for pid in former(place.state_dir, run)]
        result += [_old(unit) for unit in units.others(root)]
    return result


def held(
    wanted: Iterable[Resource], run: str, seen_by_root: Path = hidden.FILE
) -> list[Finding]:
    """Return a finding for each resource that a process of no run of ours holds."""
    wanted = list(wanted)
    by_root = hidden.read(seen_by_root)
    result = []
    table = bound()
    devices = holders_of([one.name for one in wanted if one.sort not in (Sort.TCP, Sort.UDP)])
    for one in wanted:
        if one.sort in (Sort.TCP, Sort.UDP):
            protocol = one.sort.name.lower()
            found = _port_holders(table, protocol, one, by_root.get(f'{protocol} {one.name}', []))
        else:
            device = os.path.realpath(one.name)
            visible = {holder.pid: who(holder.pid) for holder in devices[one.name]}
            found = list({**{w.pid: w for w in by_root.get(device, [])}, **visible}.values())
        strangers = [holder for holder in found if not _is_ours(holder.pid, run)]
        result += [_held(one, holder) for holder in strangers[:1]]
    return result


def _port_holders(
    table: Iterable[Bound], protocol: str, wanted: Resource, by_root: list[Who]
) -> list[Who]:
    """Return who keeps us from a port; pid 0 where it cannot be seen."""
    there = {s.inode for s in table
             if s.protocol.rstrip('6') == protocol and s.port == int(wanted.name)
             and (s.state == LISTEN or protocol == 'udp')
             and (s.address in (*ANY, wanted.host) or wanted.host in ANY)}
    if not there:
        return []
    pid = next((pid for pid in pids() if there & inodes(pid)), 0)
    return [who(pid)] if pid else by_root or [Who(0)]


def _is_ours(pid: int, run: str) -> bool:
    return bool(run) and bool(pid) and marks(pid, (RUN_VARIABLE,)).get(RUN_VARIABLE) == run


def _held(wanted: Resource, holder: Who) -> Finding:
    find = (f'sudo ss -lpn sport = :{wanted.name}' if wanted.sort in (Sort.TCP, Sort.UDP)
            else f'sudo fuser -v {wanted.name}')
    return Finding(Kind.HELD, str(wanted), wanted.part, holder.pid, holder.command, holder.unit,
                   way_out(holder, who(os.getpid()), hidden=find))


def _left(holder: Who) -> Finding:
    return Finding(Kind.LEFTOVER, f'pid {holder.pid}', '', holder.pid, holder.command,
                   holder.unit, holder.next_step())


def _old(unit: units.Unit) -> Finding:
    return Finding(Kind.OLD_UNIT, f'unit {unit.name}', '', unit.pid,
                   who(unit.pid).command if unit.pid else '', unit.name,
                   f'sudo systemctl disable --now {unit.name}')
