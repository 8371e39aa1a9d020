# SPDX-License-Identifier: Apache-2.0
"""
The moment in which what was restored takes the place of what was there.

Everything new lies complete in `restore/new`. The plan, written at once, is the point of no
return: before it nothing has changed, after it whoever takes the lock next goes on (`lock.py`),
before anything is read. So a kill or a power cut leaves the old or the new, never some of each.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from avatar_bringup.care.contents import BESIDE_DATABASES, ITEMS, Kind, problem_of_path
from avatar_node import store

FOLDER = 'restore'
_KNOWN = {item.path: item for item in ITEMS}


def begin(state_dir: Path) -> Path:
    """Return the empty folder for what is new; an attempt before is finished first."""
    finish(state_dir)
    folder = state_dir / FOLDER
    new = folder / 'new'
    new.mkdir(mode=0o700, parents=True)
    os.chmod(folder, 0o700)
    return new


def commit(state_dir: Path, replaced: Iterable[str]) -> None:
    """
    Exchange everything, finishing what is begun even if that takes another start.

    `replaced` are the items that are to be as in `restore/new`, absent ones included; pictures
    lying there are added. OSError where it stopped on the way: `finish` goes on.
    """
    folder = state_dir / FOLDER
    new = folder / 'new'
    sync_tree(new)
    (folder / 'old').mkdir(mode=0o700)
    store.write(folder / 'plan.json', {
        'replace': {path: (new / path).exists() for path in replaced}})
    finish(state_dir)


def finish(state_dir: Path) -> str:
    """Go on with what was interrupted, and clear away; return a sentence about it, or none."""
    folder = state_dir / FOLDER
    if not folder.is_dir():
        return ''
    said = 'a restore that was interrupted changed nothing; what it left behind is removed'
    try:
        plan = store.read(folder / 'plan.json')
    except FileNotFoundError:
        plan = {}
    except ValueError as error:
        os.rename(folder, aside := _free_name(state_dir / f'{FOLDER}.unreadable'))
        return (f'a restore was interrupted, and how to go on cannot be read ({error}): what is '
                f'left of it is in {aside}; restore the backup again')
    if plan:
        _exchange(state_dir, plan.get('replace'))
        said = 'a restore that was interrupted is complete now'
        os.unlink(folder / 'plan.json')
        store.sync_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return said


def _exchange(state_dir: Path, replace: object) -> None:
    new, old = state_dir / FOLDER / 'new', state_dir / FOLDER / 'old'
    wanted: dict[str, bool] = replace if isinstance(replace, dict) else {}
    for path, is_new in wanted.items():
        if path not in _KNOWN:
            raise ValueError(f'{state_dir / FOLDER}/plan.json names {path!r}')
        if is_new and not os.path.lexists(new / path):
            continue  # it is in its place already
        ends = ('', *BESIDE_DATABASES) if _KNOWN[path].kind is Kind.DATABASE else ('',)
        # What is beside a database goes first: beside the new one it would be played back.
        for end in reversed(ends):
            _aside(state_dir / f'{path}{end}', old)
        if is_new:
            _move(new / path, state_dir / path)
    for item in ITEMS:
        if item.is_picture and item.path not in wanted:
            _bring(new / item.path, state_dir / item.path)


def _aside(path: Path, old: Path) -> None:
    if os.path.lexists(path):
        _move(path, _free_name(old / path.name))


def _free_name(path: Path) -> Path:
    found, count = path, 1
    while os.path.lexists(found):
        count += 1
        found = path.with_name(f'{path.name}.{count}')
    return found


def _move(source: Path, to: Path) -> None:
    to.parent.mkdir(mode=0o700, exist_ok=True)
    os.rename(source, to)
    store.sync_folder(to.parent)
    store.sync_folder(source.parent)


def _bring(source: Path, to: Path) -> None:
    """Move files beside those that are there; one of the same name stays."""
    for name in sorted(os.listdir(source)) if source.is_dir() else ():
        if problem_of_path(name):
            continue
        if (source / name).is_dir():
            (to / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            _bring(source / name, to / name)
        elif not os.path.lexists(to / name):
            to.mkdir(mode=0o700, exist_ok=True)
            os.rename(source / name, to / name)
    if to.is_dir():
        store.sync_folder(to)


def sync_tree(folder: Path) -> None:
    """Return when all that lies in a folder is on the disk."""
    for where, _, names in os.walk(folder):
        for name in names:
            store.sync_file(Path(where, name))
        store.sync_folder(Path(where))


def pending(state_dir: Path) -> bool:
    """Return whether a restore was interrupted after the point of no return."""
    with contextlib.suppress(OSError):
        return (state_dir / FOLDER / 'plan.json').exists()
    return False
