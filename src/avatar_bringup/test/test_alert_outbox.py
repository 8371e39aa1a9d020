# SPDX-License-Identifier: Apache-2.0
"""What waits is sent once, whatever fails; and of a URL nothing is ever seen."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_bringup.alerts import sender
from avatar_bringup.alerts.outbox import MOST_MESSAGES, RETRY_S, Bundle, Outbox
from avatar_bringup.alerts.services import MOST, ServiceProblem, ServicesFile, hidden

# A busy machine is no fault of what is tested.
UNHURRIED = settings(max_examples=300, deadline=None,
                     suppress_health_check=[HealthCheck.too_slow])
SERVICES = ('mail', 'phone')


def stored(box: Outbox) -> Outbox:
    """Return what another process finds after this one died."""
    return Outbox.from_json(json.loads(json.dumps(box.as_json())))


def test_a_message_goes_to_every_service_once() -> None:
    box = Outbox()
    box.put('title', 'body', True, SERVICES)
    bundles = box.due(0.0)
    assert [bundle.service for bundle in bundles] == list(SERVICES)
    for bundle in bundles:
        box.on_its_way(bundle)
    assert box.due(0.0) == []
    box.sent(bundles[0])
    assert len(box) == 1
    box.sent(bundles[1])
    assert len(box) == 0


def test_what_failed_is_tried_again_later_and_later_and_holds_up_nobody() -> None:
    box, now_s, tries = Outbox(), 0.0, []
    box.put('title', 'body', True, SERVICES)
    while len(tries) < 9:
        for bundle in box.due(now_s):
            box.on_its_way(bundle)
            if bundle.service == 'mail':
                tries.append(now_s)
                box.failed(bundle, now_s)
            else:
                assert now_s == 0.0
                box.sent(bundle)
        now_s += 1.0
    gaps = [b - a for a, b in zip(tries, tries[1:], strict=False)]
    assert gaps == [*RETRY_S, RETRY_S[-1], RETRY_S[-1]]


def test_a_network_that_is_back_is_used_at_once() -> None:
    box = Outbox()
    box.put('title', 'body', True, ['mail'])
    bundle, = box.due(0.0)
    box.on_its_way(bundle)
    box.failed(bundle, 0.0)
    assert box.due(1.0) == []
    box.try_again()
    assert box.due(1.0) == [bundle]


def test_what_was_on_its_way_when_we_died_is_not_sent_again_and_said_to_be_doubtful() -> None:
    box = Outbox()
    box.put('the disk', 'is full', True, ['mail'])
    box.on_its_way(box.due(0.0)[0])
    after = stored(box)
    assert after.due(0.0) == []
    after.put('the board', 'is gone', True, ['mail'])
    bundle, = after.due(0.0)
    assert ([m.title for m in bundle.messages], bundle.perhaps_lost) == (
        ['the board'], ('the disk',))
    after.sent(bundle)
    after.put('again', '', True, ['mail'])
    assert after.due(0.0)[0].perhaps_lost == ()


def test_many_messages_become_one_letter_of_bounded_length_and_the_oldest_make_room() -> None:
    box = Outbox()
    for number in range(100):
        box.put(f'title {number}', 'x' * 1000, False, ['mail'])
    assert len(box) == MOST_MESSAGES
    bundle, = box.due(0.0)
    assert len(bundle.messages) == 3 and bundle.messages[0].title == 'title 70'
    assert bundle.dropped == 70
    box.sent(bundle)
    assert box.due(0.0)[0].dropped == 0


def test_a_service_that_is_no_more_is_forgotten() -> None:
    box = Outbox()
    box.put('title', 'body', True, SERVICES)
    assert box.keep_only(['phone'])
    assert [bundle.service for bundle in box.due(0.0)] == ['phone']
    assert not box.keep_only(['phone'])


STEP = st.sampled_from(['put', 'hand out', 'sent', 'failed', 'wait', 'crash'])


@UNHURRIED
@given(st.lists(st.tuples(STEP, st.integers(0, 5)), max_size=80))
def test_a_service_gets_every_message_once_or_is_told_that_it_may_lack_it(
    steps: list[tuple[str, int]]
) -> None:
    box, now_s = Outbox(), 0.0
    way: list[Bundle] = []
    got: dict[str, Counter[str]] = defaultdict(Counter)
    doubtful: dict[str, Counter[str]] = defaultdict(Counter)
    dropped: Counter[str] = Counter()
    put = 0

    def take(bundle: Bundle) -> None:
        got[bundle.service].update(message.title for message in bundle.messages)
        doubtful[bundle.service].update(bundle.perhaps_lost)
        dropped[bundle.service] += bundle.dropped

    for what, which in steps:
        if what == 'put':
            put += 1
            box.put(f'n{put}', 'body', True, SERVICES)
        elif what == 'hand out':
            for bundle in box.due(now_s):
                box.on_its_way(bundle)
                way.append(bundle)
        elif what in ('sent', 'failed') and way:
            bundle = way.pop(which % len(way))
            if what == 'sent':
                take(bundle)
                box.sent(bundle)
            else:
                box.failed(bundle, now_s)
        elif what == 'wait':
            now_s += 100.0 * which
        elif what == 'crash':
            box, way, now_s = stored(box), [], 0.0
    for bundle in way:
        take(bundle)
        box.sent(bundle)
    box.put('last', 'body', True, SERVICES)
    while len(box):
        now_s += max(RETRY_S)
        for bundle in box.due(now_s):
            box.on_its_way(bundle)
            take(bundle)
            box.sent(bundle)

    titles = {f'n{number}' for number in range(1, put + 1)} | {'last'}
    for service in SERVICES:
        assert max(got[service].values()) == 1, 'told twice'
        assert not set(got[service]) & set(doubtful[service]), 'told, and said to be doubtful'
        missing = titles - set(got[service]) - set(doubtful[service])
        assert len(missing) == dropped[service]


# Services: the URLs are secrets.

SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=20)


@UNHURRIED
@given(st.sampled_from(['tgram', 'ntfy', 'mailtos', 'json', 'discord', 'x y']), SECRET, SECRET)
def test_what_is_shown_of_a_url_has_nothing_of_a_secret(kind: str, one: str, two: str) -> None:
    secrets = [word.replace('/', '').replace('@', '').replace('?', '') for word in (one, two)]
    for url in (f'{kind}://me:{secrets[0]}@example.org/{secrets[1]}?key={secrets[0]}',
                f'{kind}://example.org/{secrets[0]}/{secrets[1]}'):
        shown = hidden(url)
        for secret in secrets:
            assert len(secret) < 8 or secret not in shown
    assert hidden(f'tgram://{one}/{two}') == 'tgram://...'


def test_the_server_of_a_mail_is_shown() -> None:
    assert hidden('mailtos://me:secret@mail.example.org?to=x') == 'mailtos://...mail.example.org/...'
    assert hidden('nothing') == hidden('') == '...'


def test_services_are_kept_for_the_owner_alone(tmp_path: Path) -> None:
    file = ServicesFile(tmp_path, print)
    one = file.add('json://localhost:1/secret', 'my server')
    two = file.add('tgram://token/chat', '')
    assert [s.name for s in ServicesFile(tmp_path, print).load()] == ['my server', '']
    assert (file.path.stat().st_mode & 0o777, file.path.parent.stat().st_mode & 0o777) == (
        0o600, 0o700)
    assert 'secret' not in repr(one) + str(one)
    assert file.remove(one.id) == one
    assert file.load() == [two]
    with pytest.raises(ServiceProblem, match='no such'):
        file.remove(one.id)


@pytest.mark.parametrize('url', [
    '', 'x', 'http//x', 'json://with blank', 'json://' + 'x' * 3000, 5, None, 'json://\n',
    'json://ä', '://x'])
def test_what_is_no_url_is_refused_without_repeating_it(url: object, tmp_path: Path) -> None:
    with pytest.raises(ServiceProblem) as refused:
        ServicesFile(tmp_path, print).add(url, 'name')
    assert not url or len(str(url)) < 5 or str(url) not in str(refused.value)


@pytest.mark.parametrize('name', ['x' * 41, 'two\nlines', None, 7])
def test_a_name_is_one_short_line(name: object, tmp_path: Path) -> None:
    with pytest.raises(ServiceProblem, match='name'):
        ServicesFile(tmp_path, print).add('json://x', name)


def test_services_are_few_and_different(tmp_path: Path) -> None:
    file = ServicesFile(tmp_path, print)
    file.add('json://x0', '')
    with pytest.raises(ServiceProblem, match='already'):
        file.add('json://x0', 'again')
    for number in range(1, MOST):
        file.add(f'json://x{number}', '')
    with pytest.raises(ServiceProblem, match=f'{MOST} services'):
        file.add('json://one-more', '')


@pytest.mark.parametrize('text', ['{', '[]', '{"services": 3}', '{"services": [{"id": 1}]}'])
def test_a_broken_file_is_set_aside_by_its_writer_and_said_once(text: str, tmp_path: Path) -> None:
    said: list[str] = []
    file = ServicesFile(tmp_path, said.append)
    file.path.parent.mkdir()
    file.path.write_text(text)
    assert file.load() == file.load() == []
    assert len(said) == 1 and file.path.exists()
    assert ServicesFile(tmp_path, said.append).load(repair=True) == []
    aside, = file.path.parent.iterdir()
    assert aside.name.startswith('services.json.broken-') and aside.read_text() == text


@pytest.mark.parametrize(('texts', 'outcome'), [
    (['Failed to send JSON POST notification: Unauthorized., error=401.'], ('refused', '401')),
    (['A Connection error occurred sending JSON notification to secret-host.',
      'Socket Exception: HTTPConnectionPool(host=x, port=1): Max retries exceeded with url: '
      '/secret (Caused by NewConnectionError(...))'], ('unreachable', '')),
    (['A Connection error occurred', 'Socket Exception: Read timed out. (read timeout=10.0)'],
     ('no_answer', '')),
    ([], ('refused', ''))])
def test_of_what_apprise_logs_only_the_reason_is_taken(
    texts: list[str], outcome: tuple[str, str]
) -> None:
    assert sender.why(texts) == outcome
