# SPDX-License-Identifier: Apache-2.0
"""Who watches: a bounded table, compared with MediaMTX's list, found again after a restart."""

import random

import pytest

from avatar_web.media.sessions import (
    CONNECT_S,
    MAKES_ROOM_S,
    MOST,
    MOST_PER_OWNER,
    MOST_PER_USER,
    SILENT_S,
    Full,
    Seen,
    Sessions,
    Viewing,
)


def opened(table: Sessions, owner: str = 's1', now: float = 0.0) -> Viewing:
    viewing, _ = table.admit(owner, f'user of {owner}', 'camera', now)
    viewing.server_id = f'server {viewing.id}'
    return viewing


def seen(viewing: Viewing, connected: bool = True, rtcp: int = 0) -> Seen:
    return Seen(viewing.server_id, viewing.path, 'whep', viewing.query, connected, rtcp)


def everybody(_: str) -> bool:
    return True


def test_one_browser_and_all_together_are_bounded() -> None:
    table = Sessions()
    for _ in range(MOST_PER_OWNER):
        opened(table)
    with pytest.raises(Full):
        opened(table)
    for number in range(MOST - MOST_PER_OWNER):
        opened(table, f's{number + 2}')
    with pytest.raises(Full):
        opened(table, 'one more')
    assert len(table) == MOST


def test_one_user_leaves_room_for_others() -> None:
    table = Sessions()
    for number in range(MOST_PER_USER):
        table.admit(f'browser {number // MOST_PER_OWNER}', 'ann', 'camera', 0.0)
    with pytest.raises(Full, match='ann watches'):
        table.admit('one more browser', 'ann', 'camera', 0.0)
    assert opened(table).user != 'ann'


def test_a_reloaded_page_finds_room() -> None:
    table = Sessions()
    old = [opened(table) for _ in range(MOST_PER_OWNER)]
    table.compare([seen(v, rtcp=1) for v in old], everybody, 0.5, 0.5)
    now = 0.5 + MAKES_ROOM_S
    table.compare([seen(v, rtcp=1 if v is old[1] else 2) for v in old], everybody, now, now)
    new, goes = table.admit('s1', 'ann', 'camera', now)
    assert goes is old[1], 'the one that is not heard any more'
    assert table.has(new) and not table.has(old[1])


def test_never_connected_goes_after_its_time_and_makes_room_before() -> None:
    table = Sessions()
    viewing = opened(table)
    assert table.compare([seen(viewing, False)], everybody, 5, CONNECT_S) == []
    (ended, why), = table.compare([seen(viewing, False)], everybody, 11, CONNECT_S + 1)
    assert ended is viewing and 'connect' in why and not table


def test_silent_is_over_and_heard_is_not() -> None:
    table = Sessions()
    viewing = opened(table)
    for second in range(60):
        assert table.compare([seen(viewing, rtcp=second)], everybody, second, second) == []
    assert table.compare([seen(viewing, rtcp=59)], everybody, 74, 59 + SILENT_S) == []
    (_, why), = table.compare([seen(viewing, rtcp=59)], everybody, 75, 60 + SILENT_S)
    assert 'heard' in why


def test_what_mediamtx_does_not_have_is_forgotten_but_not_what_it_cannot_list_yet() -> None:
    table = Sessions()
    old, new = opened(table, now=0), opened(table, now=5)
    pending, _ = table.admit('s2', 'bob', 'camera', 0)
    table.compare([], everybody, asked_s=3, now_s=6)
    assert not table.has(old) and table.has(new) and table.has(pending)


def test_whose_owner_signed_out_is_ended() -> None:
    table = Sessions()
    ann, bob = opened(table, 's1'), opened(table, 's2')
    ends = table.compare([seen(ann), seen(bob)], 's2'.__eq__, 1, 1)
    assert [viewing for viewing, _ in ends] == [ann]
    assert table.of(session_id='s2') == [bob] and table.of(user='user of s2') == [bob]
    assert table.of(session_id='x', user='') == []


def test_a_gateway_that_is_new_takes_over_who_watches() -> None:
    before = Sessions()
    viewing = opened(before, 's1')
    after = Sessions()
    assert after.compare([seen(viewing)], everybody, 0, 0) == []
    found = after.find(viewing.id, 's1', 'camera')
    assert found is not None and found.user == 'user of s1' and found.location == ''
    assert found.server_id == viewing.server_id


def test_who_has_no_owner_is_ended_and_who_is_not_ours_is_left_alone() -> None:
    table = Sessions()
    nobodys = Seen('u1', 'camera', 'whep', '', True, 0)
    others = Seen('u2', 'camera', 'avatar', '', True, 0)
    (ended, _), = table.compare([nobodys, others], lambda owner: owner == 's1', 0, 0)
    assert ended.server_id == 'u1' and not table


def test_a_name_used_twice_takes_nobodys_place() -> None:
    table = Sessions()
    viewing = opened(table)
    twin = Seen('another', 'camera', 'whep', viewing.query, True, 0)
    table.compare([seen(viewing), twin], everybody, 0, 0)
    assert table.has(viewing) and viewing.server_id == f'server {viewing.id}' and len(table) == 2


def test_a_session_is_found_by_its_owner_only() -> None:
    table = Sessions()
    viewing = opened(table)
    assert table.find(viewing.id, 's1', 'camera') is viewing
    assert table.find(viewing.id, 's2', 'camera') is None
    assert table.find(viewing.id, 's1', 'microphone') is None


def test_names_that_are_no_words_survive_the_query() -> None:
    table = Sessions()
    viewing, _ = table.admit('s&1', 'Zoë & Ann=?', 'camera', 0)
    viewing.server_id = 'u'
    after = Sessions()
    after.compare([seen(viewing)], everybody, 0, 0)
    found = after.find(viewing.id, 's&1', 'camera')
    assert found is not None and found.user == 'Zoë & Ann=?'


def test_any_order_of_events_keeps_the_bounds() -> None:
    chance = random.Random(6)
    table, listed = Sessions(), {}
    for step in range(5000):
        now = step / 10
        event = chance.random()
        if event < 0.5:
            try:
                viewing, goes = table.admit(f's{chance.randrange(12)}', 'ann', 'camera', now)
            except Full:
                continue
            viewing.server_id = f'u{step}'
            listed[viewing.server_id] = viewing
            if goes is not None:
                listed.pop(goes.server_id, None)
        elif event < 0.7 and listed:
            listed.pop(chance.choice(list(listed)))
        elif event < 0.9:
            items = [seen(v, chance.random() < 0.8, step) for v in listed.values()]
            for viewing, _ in table.compare(items, everybody, now, now):
                listed.pop(viewing.server_id, None)
        elif len(table):
            for viewing in table.of(session_id=f's{chance.randrange(12)}'):
                table.remove(viewing)
                listed.pop(viewing.server_id, None)
        assert len(table) <= MOST
        for owner in range(12):
            assert len(table.of(session_id=f's{owner}')) <= MOST_PER_OWNER
