# SPDX-License-Identifier: Apache-2.0
"""Rules of the repository: one version, one licence, and that the built packages are tested."""

import importlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(p.parent for p in ROOT.glob('src/*/package.xml'))
NAMES = [p.name for p in PACKAGES]


def python_files() -> list[Path]:
    """Return the Python files of the project, without what was built or installed."""
    found = [p for folder in ('src', 'tests', 'tools', 'bench') for p in
             (ROOT / folder).rglob('*.py')]
    return [p for p in found if '__pycache__' not in p.parts]


@pytest.mark.skipif(not os.environ.get('AVATAR_SRC'), reason='run by hand: the sources are tested')
@pytest.mark.parametrize('name', NAMES)
def test_the_built_packages_are_the_ones_tested(name: str) -> None:
    prefix = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)[0]
    assert str(importlib.import_module(name).__file__).startswith(f'{prefix}/')
    # A process of a test finds the same.
    found = subprocess.run(
        [sys.executable, '-c', f'import {name}; print({name}.__file__)'],
        capture_output=True, text=True, check=True).stdout
    assert found.startswith(f'{prefix}/')


@pytest.mark.parametrize('package', PACKAGES, ids=NAMES)
def test_all_packages_have_one_version_and_licence(package: Path) -> None:
    root = ElementTree.parse(package / 'package.xml').getroot()
    setup = (package / 'setup.py').read_text()
    version = root.findtext('version')
    assert f"version='{version}'" in setup
    assert version == ElementTree.parse(PACKAGES[0] / 'package.xml').findtext('version')
    assert root.findtext('license') == 'Apache-2.0'
    assert root.findtext('export/build_type') == 'ament_python'
    assert f'## {version}' in (ROOT / 'CHANGELOG.md').read_text()


@pytest.mark.parametrize('package', PACKAGES, ids=NAMES)
def test_the_executables_of_the_table_are_declared(package: Path) -> None:
    from avatar_bringup.processes import Place, table
    setup = (package / 'setup.py').read_text()
    for sim in (True, False):
        for row in table(Place(Path('/state'), sim=sim, ros=True)):
            if row.package == package.name:
                assert f"'{row.executable} = " in setup


@pytest.mark.parametrize('package', PACKAGES, ids=NAMES)
def test_what_a_package_imports_of_ours_it_depends_on(package: Path) -> None:
    root = ElementTree.parse(package / 'package.xml').getroot()
    declared = {e.text for e in root.iter() if e.tag in ('depend', 'exec_depend')}
    imported = set()
    for file in (package / package.name).rglob('*.py'):
        imported |= set(re.findall(r'^\s*(?:from|import) (\w+)', file.read_text(), re.MULTILINE))
    ours_and_ros = {n for n in imported if n in NAMES or n.endswith(('_msgs', '_srvs'))
                    or n in ('rclpy', 'rcl_interfaces', 'builtin_interfaces')} - {package.name}
    assert ours_and_ros <= declared


def test_every_python_file_names_its_licence() -> None:
    line = '# SPDX-License-Identifier: Apache-2.0\n'
    texts = {str(p): p.read_text() for p in python_files()}
    assert [name for name, text in texts.items() if text and not text.startswith(line)] == []


def test_no_file_has_something_left_to_do() -> None:
    # Written so that this file does not find itself.
    marks = re.compile(r'\b(TO' + r'DO|FIX' + r'ME|X' + r'XX)\b')
    assert [str(p) for p in python_files() if marks.search(p.read_text())] == []
