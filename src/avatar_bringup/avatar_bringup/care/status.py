# SPDX-License-Identifier: Apache-2.0
"""`avatar status`: one screen about the robot, or the same as JSON."""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avatar_bringup import paths
from avatar_bringup.care import running, switch
from avatar_bringup.care.running import NotAllowed, Part, Run
from avatar_bringup.care.versions import version
from avatar_bringup.health import probe
from avatar_bringup.ports import HIGHEST_PORT, Ports
from avatar_bringup.sockets import command_line, holder
from avatar_motor.permit import Permit

HEAR_S = 1.5
"""So long the nodes have to say how they are."""
EXIT_DRIVABLE, EXIT_DOWN, EXIT_NOT_DRIVABLE = 0, 1, 2

LISTENING = (('gateway', 'tcp'), ('media', 'udp'), ('media', 'tcp'), ('rtsp', 'tcp'),
             ('webrtc', 'tcp'), ('api', 'tcp'), ('inner', 'tcp'))


def run(options: argparse.Namespace) -> int:
    """Print it; return 0 if a person can drive, 1 if nothing runs, 2 if it runs and cannot."""
    state_dir = options.state_dir or paths.state_dir(os.environ)
    try:
        found = gather(state_dir, os.environ)
    except NotAllowed as problem:
        print(f'avatar: {problem}', file=sys.stderr)
        return EXIT_DOWN
    print(json.dumps(found, indent=1) if options.json else screen(found))
    if not found['runs']:
        return EXIT_DOWN
    return EXIT_DRIVABLE if found['drivable'] else EXIT_NOT_DRIVABLE


def gather(state_dir: Path, environ: Mapping[str, str], hear_s: float = HEAR_S) -> dict[str, Any]:
    """Return all that can be known, as plain values; what is not known is None or missing."""
    here = running.look(state_dir, environ)
    found: dict[str, Any] = {
        'state_dir': str(state_dir), 'version': version(), 'runs': bool(here.pid),
        'pid': here.pid or None, 'command': here.command, 'unit': here.unit, 'port': here.port,
        'answers': False, 'drivable': False, 'health': None, 'motor': None, 'lease': None,
        'camera': None, 'battery': None, 'permit': Permit(state_dir).is_there(),
        'restore_pending': switch.pending(state_dir), 'disk': disk(state_dir), 'parts': [],
        'ports': [], 'graph_problem': '',
    }
    if not here.pid:
        return found
    health = probe(None, here.port)
    found |= {'answers': health.answers, 'drivable': health.drivable}
    found |= heard(here, hear_s)
    parts = running.parts(here)
    found['parts'] = [asdict(part) for part in parts]
    found['ports'] = ports(here, parts)
    return found


def heard(here: Run, hear_s: float) -> dict[str, Any]:
    """Return what the nodes say, by DDS; only why not where that cannot be used."""
    try:
        graph = importlib.import_module('avatar_bringup.care.graph')
        seen = graph.look(graph.place_of(here), hear_s)
    except Exception as error:  # noqa: BLE001 - whatever DDS says, the rest has to be told
        return {'graph_problem': f'{type(error).__name__}: {error}'}
    states = {name: {'level': said.level, 'sentence': said.sentence, **said.values}
              for name, said in seen.states.items()}
    health = states.get('health')
    if health is not None:
        health['findings'] = findings(health.get('findings', ''))
    return {'health': health, 'motor': states.get('motor/state'),
            'lease': states.get('operator/lease'), 'camera': states.get('camera/stream_state'),
            'battery': seen.battery or None}


def findings(text: object) -> list[dict[str, Any]]:
    """Return the findings of the health node, of which it sends a JSON list."""
    try:
        value = json.loads(str(text))
    except ValueError:
        return []
    return [f for f in value if isinstance(f, dict)] if isinstance(value, list) else []


def disk(state_dir: Path) -> dict[str, float] | None:
    """Return free and total megabytes of the disk the state folder is on."""
    try:
        about = os.statvfs(state_dir)
    except OSError:
        return None
    return {'free_mb': about.f_bavail * about.f_frsize / 1e6,
            'total_mb': about.f_blocks * about.f_frsize / 1e6}


def ports(here: Run, parts: list[Part]) -> list[dict[str, Any]]:
    """Return who has each port of the table."""
    if not 1 <= here.port <= HIGHEST_PORT:
        return []
    tree = running.parents()
    own = {pid: part.name for part in parts if part.pid
           for pid in (part.pid, *running.below(part.pid, tree))}
    result = []
    for name, protocol in LISTENING:
        number = getattr(Ports.beside(here.port), name)
        pid = holder(protocol, number)
        result.append({
            'name': name, 'protocol': protocol, 'port': number, 'pid': pid,
            'part': own.get(pid or 0, ''), 'command': command_line(pid) if pid else ''})
    return result


# ---- the screen

def screen(found: Mapping[str, Any]) -> str:
    """Return what a person reads."""
    lines = []
    if found['restore_pending']:
        lines.append('A restore was interrupted; the next start of avatar finishes it.')
    if not found['runs']:
        lines.append(f'avatar does not run on {found["state_dir"]}')
        if not found['permit'] and (Path(found['state_dir']) / 'motor').exists():
            lines.append('emergency stop  latched: it will stand until a person resets it')
        return '\n'.join(lines)
    who = f'unit {found["unit"]}, ' if found['unit'] else ''
    lines += [
        f'avatar {found["version"]} runs on {found["state_dir"]}, {who}pid {found["pid"]} '
        f'({found["command"]}); port {found["port"]}', _state(found)]
    lines += [f'  - {f.get("text", f.get("code", "?"))}'
              for f in (found['health'] or {}).get('findings', [])]
    lines += ['', *_driving(found), '', *_table(found['parts']), *_ports(found['ports'])]
    if found['graph_problem']:
        lines.append(f'the nodes cannot be asked: {found["graph_problem"]}')
    return '\n'.join(lines)


def _state(found: Mapping[str, Any]) -> str:
    if not found['answers']:
        # Whatever health says: it waits some seconds before it believes that.
        return (f'the gateway does not answer; see: avatar logs gateway '
                f'({found["state_dir"]}/run)')
    if found['health']:
        state = found['health'].get('state', '')
        return f'{state}: {found["health"]["sentence"]}' if state else found['health']['sentence']
    if found['drivable']:
        return 'a person can drive'
    return 'the page is there, the board is not connected'


def _driving(found: Mapping[str, Any]) -> list[str]:
    motor, lease, battery = found['motor'], found['lease'], found['battery']
    latched = not found['permit'] if motor is None else motor.get('e_stop') == 'true'
    rows = [
        ('motor', motor['sentence'] if motor else 'says nothing'),
        ('emergency stop', 'LATCHED: it stands until a person resets it' if latched else 'no'),
        ('in control', _lease(lease)),
        ('camera', found['camera']['sentence'] if found['camera'] else 'says nothing'),
        ('battery', _battery(motor, battery)),
    ]
    if found['disk']:
        rows.append(('disk', f'{found["disk"]["free_mb"] / 1000:.1f} of '
                             f'{found["disk"]["total_mb"] / 1000:.1f} GB free'))
    return [f'{name:16}{text}' for name, text in rows]


def _lease(lease: Mapping[str, str] | None) -> str:
    if lease is None:
        return 'not known: the gateway says nothing'
    return lease['sentence'] or lease.get('holder') or 'nobody'


def _battery(motor: Mapping[str, str] | None, battery: Mapping[str, float] | None) -> str:
    if battery:
        share = battery['percentage']
        percent = f', {100 * share:.0f} %' if 0 <= share <= 1 else ''
        return f'{battery["voltage"]:.1f} V{percent}'
    if motor and motor.get('voltage'):
        return f'{motor["voltage"]} V'
    return 'not reported by the board'


def _table(parts: list[dict[str, Any]]) -> list[str]:
    lines = [f'{"part":22}{"state":12}{"pid":>8}{"deaths":>8}{"CPU %":>8}{"MB":>8}']
    for part in parts:
        state = part['state'] or ('running' if part['pid'] else 'not there')
        cpu = '' if part['cpu_percent'] is None else f'{part["cpu_percent"]:.1f}'
        memory = '' if part['memory_mb'] is None else f'{part["memory_mb"]:.0f}'
        lines.append(f'{part["name"]:22}{state:12}{part["pid"] or "":>8}{part["deaths"]:>8}'
                     f'{cpu:>8}{memory:>8}')
        if state in ('restarting', 'given_up') and part['words']:
            lines.append(f'    its last words: {part["words"]}')
    return lines


def _ports(found: list[dict[str, Any]]) -> list[str]:
    lines = ['']
    for port in found:
        number = f'{port["protocol"]} {port["port"]}'
        if port['pid'] is None:
            text = 'nobody listens'
        elif port['part']:
            text = port['part']
        elif not port['pid']:
            text = "another user's program; sudo avatar status names it"
        else:
            text = f'NOT OURS: pid {port["pid"]} ({port["command"]})'
        lines.append(f'port {number:12}{port["name"]:10}{text}')
    return lines
