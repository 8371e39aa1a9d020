# SPDX-License-Identifier: Apache-2.0
"""Snapshots and recordings: taken, found in the galleries, opened, downloaded, deleted."""

import re
import shutil
import subprocess

from playwright.sync_api import expect

from avatar_node.testing import wait_for
from tests.page.conftest import Desks
from tests.page.desk import Desk
from tests.picture.watching import sees

NAME = re.compile(r'avatar_\d{8}_\d{6}(_\d+)?\.(jpg|mp4)')


def gallery(desk: Desk, kind: str) -> None:
    if desk.page.locator('#sheet').is_hidden():
        desk.page.locator('#menu').click()
    desk.page.locator('[data-tab=gallery]').click()
    desk.page.locator(f'[data-gallery={kind}]').click()


def snapshot(desk: Desk) -> str:
    """Take a picture; return its name."""
    desk.page.locator('#snapshot').click()
    notice = desk.page.locator('#notice')
    expect(notice).to_have_text(re.compile(rf'Picture saved: {NAME.pattern}'))
    found = NAME.search(notice.inner_text())
    assert found
    return found[0]


def delete(desk: Desk, name: str) -> None:
    desk.page.get_by_role('button', name='Delete').click()
    expect(desk.page.locator('#ask-text')).to_contain_text(name)
    desk.page.locator('#ask-yes').click()


def test_snapshots(desk: Desk) -> None:
    sees(desk, 'live')
    name = snapshot(desk)
    gallery(desk, 'snapshots')
    page = desk.page
    thumb = page.locator(f'.thumb[data-name="{name}"]')
    expect(thumb).to_contain_text('MB')
    thumb.click()
    picture = page.locator('.gallery .large img')
    wait_for(lambda: picture.evaluate('image => image.naturalWidth') > 600, 5.0, 'the picture')
    with page.expect_download() as download:
        page.get_by_role('link', name='Download').click()
    assert download.value.suggested_filename == name
    assert download.value.path().read_bytes()[:3] == b'\xff\xd8\xff'
    page.get_by_role('button', name='Delete').click()
    page.locator('#ask-no').click()
    expect(picture).to_be_visible()
    delete(desk, name)
    expect(page.locator('.gallery .large')).to_have_count(0)
    expect(thumb).to_have_count(0)


def test_a_recording_is_said_while_it_runs_and_plays_after_it(desk: Desk) -> None:
    page = desk.page
    sees(desk, 'live')
    page.locator('#record').click()
    chip = page.locator('#chip-record')
    expect(chip).to_have_text(re.compile(r'Recording 0:0[2-9] · avatar_\d{8}_\d{6}\.mp4'))
    found = NAME.search(chip.inner_text())
    assert found
    name = found[0]
    gallery(desk, 'recordings')
    expect(page.locator(f'.thumb[data-name="{name}"]')).to_contain_text('being written')
    page.locator('#record').click()
    expect(chip).to_be_hidden()
    page.locator('[data-gallery=snapshots]').click()
    page.locator('[data-gallery=recordings]').click()
    page.locator(f'.thumb[data-name="{name}"]', has_not_text='being written').click()
    film = page.locator('.gallery video')
    page.get_by_role('button', name='Play').click()
    wait_for(lambda: film.evaluate('video => video.currentTime') > 0.5, 10.0, 'the film to run')
    page.locator('[data-gallery=play]').click()
    with page.expect_download() as download:
        page.get_by_role('link', name='Download').click()
    assert download.value.suggested_filename == name
    probe = shutil.which('ffprobe')
    if probe:
        seconds = subprocess.run(
            [probe, '-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0',
             str(download.value.path())], capture_output=True, text=True, check=True).stdout
        assert float(seconds) > 1.0
    delete(desk, name)
    expect(page.locator(f'.thumb[data-name="{name}"]')).to_have_count(0)


def test_pages_instead_of_scrolling_and_all_of_it_by_looking(desk: Desk) -> None:
    page = desk.page
    sees(desk, 'live')
    folder = desk.stack.state_dir / 'snapshots'
    first = folder / snapshot(desk)
    for number in range(8):
        shutil.copy(first, folder / f'avatar_20200101_00000{number}.jpg')
    desk.setting('dwell', True)
    sees(desk, 'live')
    gallery(desk, 'snapshots')
    thumbs = page.locator('.thumb')
    expect(thumbs).to_have_count(4)
    expect(page.locator('.gallery .page')).to_have_text('1 of 3')
    desk.look_at(page.locator('[data-gallery=older]'))
    expect(page.locator('.gallery .page')).to_have_text('2 of 3', timeout=20_000)
    desk.look_away()
    desk.look_at(thumbs.first)
    expect(page.locator('.gallery .large img')).to_be_visible()
    desk.look_at(page.locator('[data-gallery=back]'))
    expect(page.locator('.gallery .page')).to_have_text('2 of 3')
    for file in folder.iterdir():
        file.unlink()


def test_who_may_only_look_deletes_nothing(desks: Desks, desk: Desk) -> None:
    sees(desk, 'live')
    name = snapshot(desk)
    tom = desks.sit('Tom', 'viewer')
    gallery(tom, 'snapshots')
    tom.page.locator(f'.thumb[data-name="{name}"]').click()
    expect(tom.page.get_by_role('link', name='Download')).to_be_visible()
    expect(tom.page.get_by_role('button', name='Delete')).to_have_count(0)
