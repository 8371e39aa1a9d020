# SPDX-License-Identifier: Apache-2.0
"""Do what a plan says, remember what was written, and take it away again."""

import hashlib
import json
import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from avatar_bringup.install.plan import (
    MANIFEST,
    OPT,
    RUNTIME,
    STATE,
    Command,
    File,
    Plan,
    removal,
)

Tell = Callable[[str], None]
# Of a Python that is copied: its own tests, and packages that the environment does not use.
UNNEEDED = ('test', 'site-packages', 'idlelib', 'ensurepip', 'config-*')


class Refused(RuntimeError):
    """Something is in the way; the text says what, and what to do."""


@dataclass
class Manifest:
    """What was written here: fingerprints of files, links, folders made, releases, the user."""

    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    made_user: bool = False


def fingerprint(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


class Target:
    """The machine, or an image of one below `root` (there no command is run)."""

    def __init__(self, root: Path, tell: Tell) -> None:
        self.root, self.tell = root, tell
        self.is_machine = root == Path('/')
        self.manifest = self._read_manifest()

    def at(self, path: PurePosixPath | str) -> Path:
        """Return where a path of the machine is."""
        return self.root / PurePosixPath(path).relative_to('/')

    def _read_manifest(self) -> Manifest:
        try:
            return Manifest(**json.loads(self.at(MANIFEST).read_text()))
        except FileNotFoundError:
            return Manifest()
        except (ValueError, TypeError) as problem:
            raise Refused(f'{self.at(MANIFEST)}, the list of what was installed, is damaged '
                          f'({problem}): nothing is touched') from None

    def _save_manifest(self) -> None:
        self._write(self.at(MANIFEST), json.dumps(asdict(self.manifest), indent=1).encode(), 0o644)

    def now(self, path: str) -> str | None:
        """Return the fingerprint of a file as it is, None where there is none."""
        try:
            return fingerprint(self.at(path).read_bytes())
        except FileNotFoundError:
            return None

    # --- install

    def word_for(self, file: File) -> str:
        """Return what would happen to a file: '', 'new', 'changed', 'kept', 'foreign'."""
        now = self.now(str(file.path))
        if now is None:
            return 'new'
        if file.keep:
            return 'kept'
        if now == fingerprint(file.text.encode()):
            return ''
        return 'changed' if str(file.path) in self.manifest.files else 'foreign'

    def show(self, plan: Plan, contents: bool) -> None:
        """Tell each file and command of a plan, and do nothing."""
        for command in plan.before:
            self.tell(f'  run    {shlex.join(command.words)}    ({command.why})')
        there = self.at(plan.release).exists()
        for source, path in plan.trees.items():
            self.tell(f'  {"same   " if there else "copy   "}{path}    (from {source})')
        for file in plan.files:
            word = {'': 'same', 'new': 'write', 'changed': 'change', 'kept': 'keep',
                    'foreign': 'CLASH'}[self.word_for(file)]
            self.tell(f'  {word:<7}{file.path}    ({len(file.text)} bytes, {file.mode:o})')
            if contents and word in ('write', 'change'):
                self.tell(''.join(f'      | {line}\n' for line in file.text.splitlines())[:-1])
        for path, leads_to in plan.links.items():
            self.tell(f'  link   {path} -> {leads_to}')
        for command in plan.after:
            self.tell(f'  run    {shlex.join(command.words)}    ({command.why})')

    def refuse_foreign(self, plan: Plan) -> None:
        """Raise Refused where a file is in the way that we did not write."""
        foreign = [str(f.path) for f in plan.files if self.word_for(f) == 'foreign']
        if foreign:
            raise Refused(f'{", ".join(foreign)}: there already, and not from here. Look at it; '
                          'move it away if it is not needed, then install again')

    def install(self, plan: Plan) -> bool:
        """Do it; return whether every command worked. A second time changes nothing."""
        self.refuse_foreign(plan)
        for command in plan.before:
            self._run(command, must=True)
        self.manifest.made_user = self.manifest.made_user or plan.makes_user
        # First the list, so that even what was cut off half way can be taken away.
        if plan.release.name not in self.manifest.releases:
            self.manifest.releases.append(plan.release.name)
        self._folder(self.at(plan.release).parent)
        self._save_manifest()
        self._copy(plan)
        for file in plan.files:
            word = self.word_for(file)
            if word == 'kept':
                continue
            self._keep_old(file)
            self.manifest.files[str(file.path)] = fingerprint(file.text.encode())
            self._save_manifest()
            if word:
                self._write(self.at(file.path), file.text.encode(), file.mode)
        for path, leads_to in plan.links.items():
            self.manifest.links[str(path)] = str(leads_to)
            self._link(self.at(path), str(leads_to))
        self._save_manifest()
        failed = [command for command in plan.after if not self._run(command)]
        return not failed

    def _keep_old(self, file: File) -> None:
        """Keep what a person has changed in a file of ours, beside it."""
        path = str(file.path)
        now, was = self.now(path), self.manifest.files.get(path)
        if now not in (None, was, fingerprint(file.text.encode())):
            old = self.at(path + '.old')
            shutil.copy2(self.at(path), old)
            self.tell(f'{path} was changed by somebody: kept as {old.name}')

    def _copy(self, plan: Plan) -> None:
        place = self.at(plan.release)
        if place.exists():
            return
        partial = place.with_name(f'.{place.name}.partial')
        shutil.rmtree(partial, ignore_errors=True)
        for source, path in plan.trees.items():
            goal = partial / path.relative_to(plan.release)
            if Path(source).is_dir():
                unneeded = UNNEEDED if path.name == 'python' else ()
                shutil.copytree(source, goal, symlinks=True,
                                ignore=shutil.ignore_patterns(*unneeded))
            else:
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, goal)
        if (partial / 'python').is_dir():
            _use_python(partial / 'venv', plan.release / 'python')
        _let_everybody_read(partial)
        partial.replace(place)

    def _folder(self, path: Path) -> None:
        if path.is_dir():
            return
        self._folder(path.parent)
        path.mkdir(mode=0o755)
        path.chmod(0o755)  # whatever the umask
        self.manifest.folders.append('/' + str(path.relative_to(self.root)))

    def _write(self, path: Path, data: bytes, mode: int) -> None:
        """Write a file so that it is whole or as before, power cut included."""
        self._folder(path.parent)
        new = path.with_name(f'.{path.name}.new')
        with new.open('wb') as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def _link(self, path: Path, leads_to: str) -> None:
        self._folder(path.parent)
        new = path.with_name(f'.{path.name}.new')
        new.unlink(missing_ok=True)
        new.symlink_to(leads_to)
        new.replace(path)

    def _run(self, command: Command, must: bool = False) -> bool:
        if not self.is_machine:
            self.tell(f'not run in an image: {shlex.join(command.words)}')
            return True
        try:
            subprocess.run(command.words, check=True, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as problem:
            said = (getattr(problem, 'stderr', '') or str(problem)).strip()
            if must:
                raise Refused(f'{shlex.join(command.words)}: {said}') from None
            self.tell(f'did not work ({command.why}): {shlex.join(command.words)}: {said}')
            return False
        return True

    # --- uninstall

    def uninstall(self, purge: bool, do_it: bool) -> int:
        """Take away what was installed, or tell what would be; return how many things stay."""
        wrote = self.manifest.files
        gone, stay, after = removal(wrote, {p: self.now(p) for p in wrote}, purge,
                                    self.manifest.made_user)
        end = Command(('systemctl', 'disable', '--now', 'avatar.service'), 'it ends')
        releases = [f'{OPT}/releases/{name}' for name in self.manifest.releases]
        links = [p for p, to in self.manifest.links.items()
                 if self.at(p).is_symlink() and os.readlink(self.at(p)) in (to, *releases)]
        # A copy that was cut off half way is ours, too.
        partial = [f'{OPT}/releases/.{name}.partial' for name in self.manifest.releases]
        trees = [*releases, *partial, str(RUNTIME), *([str(STATE)] if purge else [])]
        if not do_it:
            for path in (*links, *gone, *(t for t in trees if self.at(t).exists())):
                self.tell(f'  remove {path}')
            for command in (end, *after):
                self.tell(f'  run    {shlex.join(command.words)}    ({command.why})')
        for path, why in stay.items():
            self.tell(f'  keep   {path}    ({why})')
        if not do_it:
            return len(stay)
        if wrote:
            self._run(end)
        for path in (*links, *gone):
            self.at(path).unlink(missing_ok=True)
        for path in trees:
            shutil.rmtree(self.at(path), ignore_errors=True)
        for command in after:
            self._run(command)
        self._forget(set(stay))
        return len(stay)

    def _forget(self, stay: set[str]) -> None:
        """Remove the list, or shorten it to what stays; remove folders that are empty."""
        manifest = self.manifest
        manifest.files = {p: was for p, was in manifest.files.items() if p in stay}
        manifest.links, manifest.releases = {}, []
        if not manifest.files and str(STATE) not in stay:
            self.at(MANIFEST).unlink(missing_ok=True)
        for folder in reversed(manifest.folders):
            try:
                self.at(folder).rmdir()
            except OSError:
                continue  # somebody put something in it, or it is gone
        if self.at(MANIFEST).exists():
            self._save_manifest()


def _use_python(venv: Path, python: PurePosixPath) -> None:
    """Let an environment use the Python that was copied beside it."""
    for link in (venv / 'bin').glob('python*'):
        if link.is_symlink() and os.path.isabs(os.readlink(link)):
            name = os.path.basename(os.path.realpath(link))
            link.unlink()
            link.symlink_to(f'../../python/bin/{name}')
    settings = venv / 'pyvenv.cfg'
    lines = [f'home = {python}/bin' if line.startswith('home =') else line
             for line in settings.read_text().splitlines()]
    settings.write_text('\n'.join(lines) + '\n')


def _let_everybody_read(folder: Path) -> None:
    """Make what a strict umask hid readable, and let nobody but root write."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files, '.'):
            path = os.path.join(place, name)
            if os.path.islink(path):
                continue
            mode = os.stat(path).st_mode
            wanted = (mode | 0o444) & ~0o022
            if stat.S_ISDIR(mode) or mode & 0o100:
                wanted |= 0o111
            if wanted != mode:
                os.chmod(path, stat.S_IMODE(wanted))
