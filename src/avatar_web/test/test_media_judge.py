# SPDX-License-Identifier: Apache-2.0
"""What MediaMTX asks, and what is answered: a table, tokens, and nothing for anybody else."""

import dataclasses
import itertools

import pytest

from avatar_node import media_token
from avatar_web.media.judge import MOST_TEXT, Judge, Question

NOW = 1000.0
SECRET = 'the secret of this start'
_numbers = itertools.count()


def token(action: str, path: str, secret: str = SECRET, now_s: float = NOW) -> str:
    return media_token.make(secret, action, path, now_s, next(_numbers).to_bytes(8, 'big'))


def question(user: str, password: str, action: str, path: str = 'camera') -> Question:
    return Question(user, password, action, path, '127.0.0.1', f'id {next(_numbers)}')


def judge() -> Judge:
    return Judge(SECRET, NOW)


@pytest.mark.parametrize(('user', 'action', 'path'), [
    ('stream', 'publish', 'camera'), ('avatar', 'read', 'camera'), ('whep', 'read', 'camera'),
    ('avatar', 'api', '')])
def test_whoever_has_a_token_for_it_may(user: str, action: str, path: str) -> None:
    assert judge().judge(question(user, token(action, path), action, path), NOW).allowed


def test_everything_else_is_refused_with_a_reason() -> None:
    allowed = {('stream', 'publish', 'camera'), ('avatar', 'read', 'camera'),
               ('whep', 'read', 'camera'), ('avatar', 'api', '')}
    users = ('', 'any', 'stream', 'avatar', 'whep', 'admin')
    actions = ('', 'publish', 'read', 'playback', 'api', 'metrics', 'pprof', 'delete')
    paths = ('', 'camera', 'microphone', 'camera/', '/camera', 'Camera', '~.*', 'camera\n')
    for triple in itertools.product(users, actions, paths):
        user, action, path = triple
        for password in ('', SECRET, token(action, path)):
            verdict = judge().judge(question(user, password, action, path), NOW)
            assert verdict.allowed or verdict.reason
            if triple not in allowed:
                assert not verdict.allowed, (triple, password)


@pytest.mark.parametrize(('user', 'action', 'path'), [
    ('stream', 'publish', 'camera'), ('avatar', 'read', 'camera'), ('whep', 'read', 'camera'),
    ('avatar', 'api', '')])
def test_the_secret_itself_opens_nothing(user: str, action: str, path: str) -> None:
    assert not judge().judge(question(user, SECRET, action, path), NOW).allowed


def test_a_spent_token_is_worth_nothing() -> None:
    it = judge()
    spent = token('publish', 'camera')
    assert it.judge(question('stream', spent, 'publish'), NOW).allowed
    assert it.judge(question('stream', spent, 'publish'), NOW).reason == 'the token is spent'
    asked = token('api', '')
    first = dataclasses.replace(question('avatar', asked, 'api', ''), id='')
    assert it.judge(first, NOW).allowed
    assert not it.judge(first, NOW).allowed, 'the API has no ids: one token, one request'


def test_a_reader_by_rtsp_is_asked_for_twice() -> None:
    it, once = judge(), token('read', 'camera')
    assert it.judge(question('avatar', once, 'read'), NOW).allowed
    assert it.judge(question('avatar', once, 'read'), NOW).allowed
    assert not it.judge(question('avatar', once, 'read'), NOW).allowed


def test_a_judge_who_is_new_refuses_tokens_older_than_he() -> None:
    given = token('publish', 'camera', now_s=NOW - 1)
    assert 'before' in judge().judge(question('stream', given, 'publish'), NOW).reason


@pytest.mark.parametrize('ip', ['192.168.1.7', '', 'localhost', '::2', '127.0.0.1 '])
def test_only_this_machine_is_let_in(ip: str) -> None:
    asked = dataclasses.replace(
        question('whep', token('read', 'camera'), 'read'), ip=ip)
    assert not judge().judge(asked, NOW).allowed


@pytest.mark.parametrize('body', [
    None, [], 'camera', 7, {'user': 7}, {'password': ['x']}, {'path': 'x' * (MOST_TEXT + 1)}])
def test_a_question_that_is_none_is_no_question(body: object) -> None:
    with pytest.raises(ValueError, match='question|text'):
        Question.parse(body)


def test_a_question_of_mediamtx_is_read() -> None:
    asked = Question.parse({
        'ip': '127.0.0.1', 'user': 'stream', 'password': '', 'token': '', 'action': 'publish',
        'path': 'camera', 'protocol': 'rtsp', 'id': None, 'query': '', 'userAgent': 'x'})
    assert asked == Question('stream', '', 'publish', 'camera', '127.0.0.1', '')
    assert not judge().judge(asked, NOW).allowed


def test_text_that_is_no_unicode_is_refused_like_any_other() -> None:
    for broken in ('\ud800', '\0', 'ä' * 100):
        assert not judge().judge(question('avatar', broken, 'api', ''), NOW).allowed
        assert judge().judge(question(broken, broken, broken), NOW).reason.isascii()


def test_without_a_secret_there_is_no_judge() -> None:
    with pytest.raises(ValueError, match='secret'):
        Judge('', NOW)
