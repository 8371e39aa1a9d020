# SPDX-License-Identifier: Apache-2.0
"""The support archive: a secret of each kind in every place, and none comes out."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import folders
import pytest
from test_redact import SECRETS

from avatar_bringup.care import support

# By what a secret is known where it is not known by its form.
ALERT = 'tgram://987654321:ZZ-alert-token/42'
DEMO, TURN = 'demo-token-of-this-run', 'turn secret of mine'


def planted(state_dir: Path) -> None:
    """Put every secret into every kind of file."""
    everything = '\n'.join(text for text, _ in SECRETS.values())
    for name in ('run/gateway.log', 'run/motor.log.1', 'run/supervisord.log', 'run/motor.yaml',
                 'config/gateway.yaml', 'config/mediamtx.yml', 'run/supervisord.conf'):
        path = state_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'{everything}\nspoken of {DEMO} and {TURN} and {ALERT}\n')
    texts = [text for text, _ in SECRETS.values()]
    for name in ('settings.json', 'settings.json.previous', 'run/parts.json',
                 'health/history.json'):
        path = state_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({'texts': texts, 'urls': [ALERT], 'said': f'{DEMO} {TURN}'}))
    with open(state_dir / 'config/gateway.yaml', 'a') as config:
        config.write(f'\n    turn_secret_file: "{state_dir}/my_turn"\n')
    (state_dir / 'my_turn').write_text(f'{TURN}\n')


@pytest.fixture
def archive(tmp_path: Path) -> zipfile.ZipFile:
    """What `avatar support` makes of a state folder full of secrets."""
    state_dir = folders.make(tmp_path / 'state', 'ana')
    planted(state_dir)
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_bringup.cli', 'support', str(tmp_path / 's.zip')],
        env={**os.environ, 'AVATAR_STATE_DIR': str(state_dir), 'AVATAR_DEMO_TOKEN': DEMO},
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert folders.is_private(tmp_path / 's.zip')
    return zipfile.ZipFile(tmp_path / 's.zip')


def test_no_secret_comes_out_of_any_place(archive: zipfile.ZipFile) -> None:
    secrets = {secret for name, (_, secret) in SECRETS.items()
               if not name.startswith(('known', 'uri', 'shell'))}
    secrets |= {DEMO, TURN, 'ZZ-alert-token', '$argon2id', 'hash of ana', 'ana-secret', 'PEM ana'}
    # Words that are everywhere show nothing.
    secrets -= {'abc', 'aaa'}
    names = archive.namelist()
    for name in names:
        text = archive.read(name).decode()
        found = {secret for secret in secrets if secret in text}
        assert not found, f'{name}: {found}'
    for name in ('state/run/gateway.log', 'state/config/gateway.yaml', 'state/settings.json',
                 'state/run/parts.json', 'state/health/history.json', 'about.json',
                 'status.json', 'doctor.txt', 'dmesg.txt', 'lists.txt', 'processes.txt'):
        assert f'avatar-support/{name}' in names


def test_accounts_keys_and_pictures_are_not_in_it(archive: zipfile.ZipFile) -> None:
    for word in ('avatar.db', '.pem', 'turn_secret', 'snapshots', 'recordings', 'words'):
        assert not [name for name in archive.namelist() if word in name]


def test_its_size_is_bounded_and_the_end_of_a_log_is_kept(tmp_path: Path) -> None:
    big = 'a line of a log\n' * 200_000 + 'the last line\n'
    names = support.write(tmp_path, tmp_path / 's.zip', [
        (f'{number}.log', lambda: big) for number in range(60)], set())
    with zipfile.ZipFile(tmp_path / 's.zip') as packed:
        sizes = [info.file_size for info in packed.infolist()]
        assert sum(sizes) <= support.MOST_BYTES and max(sizes) <= support.MOST_FILE_BYTES
        assert packed.read('avatar-support/0.log').endswith(b'the last line\n')
    assert 20 < len(names) < 60


def test_one_part_that_fails_does_not_cost_the_rest(tmp_path: Path) -> None:
    def fails() -> str:
        raise ZeroDivisionError('oh')

    support.write(tmp_path, tmp_path / 's.zip', [('a', fails), ('b', lambda: 'text')], set())
    with zipfile.ZipFile(tmp_path / 's.zip') as packed:
        assert b'ZeroDivisionError: oh' in packed.read('avatar-support/a')
        assert packed.read('avatar-support/b') == b'text'


def test_links_of_the_state_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/x.log').symlink_to('/etc/hostname')
    with pytest.raises(OSError, match='symbolic'):
        support._read(tmp_path / 'run/x.log')
