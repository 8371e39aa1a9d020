# SPDX-License-Identifier: Apache-2.0
"""What waits for a client: replies are kept, old topic messages are not, all is bounded."""

from avatar_web.clients import outbox
from avatar_web.clients.outbox import Outbox


def drain(box, now=0.0):
    texts = []
    while (text := box.next(now)) is not None:
        texts.append(text)
    return texts


def test_replies_come_first_and_in_order():
    box = Outbox()
    box.open('odom', 0.0, 0)
    box.put_topic('odom', 'o1')
    box.put('r1')
    box.put('r2')
    assert drain(box) == ['r1', 'r2', 'o1']


def test_a_slow_reader_loses_old_topic_messages_and_no_reply():
    box = Outbox()
    box.open('odom', 0.0, 0)
    box.open('state', 0.0, 1)
    for i in range(500):
        box.put_topic('odom', f'o{i}')
        box.put_topic('state', f's{i}')
        if i % 100 == 0:
            box.put(f'r{i}')
    texts = drain(box)
    assert texts[:5] == ['r0', 'r100', 'r200', 'r300', 'r400']
    assert [t for t in texts if t[0] == 'o'] == [f'o{i}' for i in range(490, 500)]
    assert [t for t in texts if t[0] == 's'] == ['s499']
    assert box.dropped == 490 + 499


def test_topics_take_turns():
    box = Outbox()
    for key in 'ab':
        box.open(key, 0.0, 5)
    for i in range(3):
        box.put_topic('a', f'a{i}')
    box.put_topic('b', 'b0')
    assert drain(box) == ['a0', 'b0', 'a1', 'a2']


def test_throttle_sends_the_newest_at_the_rate():
    box = Outbox()
    box.open('odom', 0.1, 0)
    sent = []
    for i in range(200):
        now = 0.02 * i
        box.put_topic('odom', str(i))
        if box.next(now) is not None:
            sent.append(now)
    assert 38 <= len(sent) <= 41
    assert box.dropped == 0


def test_throttle_keeps_its_rate_when_messages_come_a_little_early():
    box = Outbox()
    box.open('odom', 0.1, 0)
    sent = 0
    for i in range(100):
        # 20 Hz with jitter; whatever is due is sent by the writer's timer.
        now = 0.05 * i + (0.004 if i % 2 else -0.003)
        due = box.due_s()
        if due is not None and due <= now:
            sent += box.next(due) is not None
        box.put_topic('odom', str(i))
        sent += box.next(now) is not None
    assert 46 <= sent <= 52


def test_a_waiting_message_says_when_it_is_due():
    box = Outbox()
    assert box.due_s() is None
    box.open('odom', 0.5, 0)
    box.put_topic('odom', 'a')
    assert box.next(10.0) == 'a'
    box.put_topic('odom', 'b')
    assert box.next(10.1) is None
    assert box.due_s() is not None
    assert box.next(box.due_s()) == 'b'


def test_bytes_are_bounded_and_the_greediest_pays():
    box = Outbox()
    box.open('image', 0.0, 100)
    box.open('state', 0.0, 1)
    box.put_topic('state', 's')
    for _ in range(100):
        box.put_topic('image', 'x' * 1_000_000)
    texts = drain(box)
    assert sum(map(len, texts)) <= outbox.MAX_TOPIC_BYTES
    assert 's' in texts


def test_one_message_larger_than_all_room_is_dropped():
    box = Outbox()
    box.open('image', 0.0, 1)
    box.put_topic('image', 'x' * (outbox.MAX_TOPIC_BYTES + 1))
    assert drain(box) == []
    assert box.dropped == 1


def test_a_client_that_does_not_even_take_replies_is_hopeless():
    box = Outbox()
    assert all(box.put('r') for _ in range(outbox.MAX_REPLIES))
    assert not box.put('r')
    box = Outbox()
    assert not box.put('x' * (outbox.MAX_REPLY_BYTES + 1))


def test_a_closed_topic_is_forgotten():
    box = Outbox()
    box.open('odom', 0.0, 0)
    box.put_topic('odom', 'a')
    box.close('odom')
    box.put_topic('odom', 'b')
    assert drain(box) == []
    box.close('odom')
