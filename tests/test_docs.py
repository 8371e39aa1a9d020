# SPDX-License-Identifier: Apache-2.0
"""What the documents point at exists."""

import re
from pathlib import Path

import pytest

from avatar_bringup.health.findings import KINDS

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')])
TESTS = [*ROOT.glob('src/*/test/**/*'), *ROOT.glob('tests/**/*')]
PYTHON = [path for path in TESTS if path.suffix == '.py']


@pytest.mark.parametrize('doc', DOCS, ids=lambda path: path.name)
def test_every_named_test_exists(doc):
    known = {path.name for path in TESTS}
    for path in PYTHON:
        known.update(re.findall(r'def (test_\w+)', path.read_text()))
    named = re.findall(r'`(?:tests/)?(test_\w+(?:\.py)?|\w+\.test\.js)`', doc.read_text())
    assert [name for name in named if name not in known] == []


@pytest.mark.parametrize('doc', DOCS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(doc):
    links = re.findall(r'\]\((?!https?:|#)([^)#\s]+)', doc.read_text())
    assert [link for link in links if not (doc.parent / link).exists()] == []


def test_operations_has_a_row_for_every_finding_of_health():
    text = (ROOT / 'docs' / 'operations.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \| (STOPPED|DEGRADED) \|', text, re.M)
    assert rows == [(code, kind.state.value) for code, kind in KINDS.items()]


def test_safety_names_a_test_for_every_row():
    text = (ROOT / 'docs' / 'safety.md').read_text()
    rows = [line for line in re.findall(r'^\| .* \|$', text, re.M) if line.count('|') == 4]
    shown = [row for row in rows if not re.match(r'\| (what could|place|the )', row)]
    assert len(shown) > 15
    assert [row for row in shown if 'test' not in row.rsplit('|', 2)[1]] == []
