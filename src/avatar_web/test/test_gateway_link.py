# SPDX-License-Identifier: Apache-2.0
"""Bad links: what a delay, a hold, a burst and a cut do to commands; no clock of the client."""

import asyncio
import threading
import time

import pytest

from avatar_node.testing import wait_for


class Proxy:
    """A TCP proxy that delays each way by `delay_s`, and holds everything while `held`."""

    def __init__(self, port):
        self.delay_s, self.held = 0.0, False
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_until_complete,
                                        args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    async def _serve(self):
        server = await asyncio.start_server(self._client, '127.0.0.1', 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await asyncio.Event().wait()

    async def _client(self, reader, writer):
        there, back = await asyncio.open_connection('127.0.0.1', self._to)
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer),
                             return_exceptions=True)

    async def _pump(self, reader, writer):
        queue = asyncio.Queue()

        async def deliver():
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                while self.held:
                    await asyncio.sleep(0.002)
                if not data:
                    writer.close()
                    return
                writer.write(data)

        task = asyncio.create_task(deliver())
        while True:
            data = await reader.read(65536)
            queue.put_nowait((self._loop.time() + self.delay_s, data))
            if not data:
                await task
                return


@pytest.fixture
def proxy(gateway):
    """Stand between a client and the gateway."""
    return Proxy(gateway.port)


def test_a_burst_after_a_hold_of_three_seconds_moves_nothing(gateway, proxy):
    ann = gateway.connect(port=proxy.port).take()
    ann.hold(0.3, 0.5)
    proxy.held = True
    begin = time.monotonic()
    gateway.wait_velocity(0.0, 0.5)
    # The lease goes too: nothing is heard for a second.
    wait_for(lambda: gateway.lease['state'] == 'away', 2, 'the lease lost')
    ann.hold(0.4, 3.0 - (time.monotonic() - begin))
    proxy.held = False
    released = time.monotonic()
    ann.hold(0.45, 0.8)
    assert 0.4 not in [v[1] for v in gateway.velocities]
    # The session has it back, and the key is still down: neutral first.
    assert gateway.lease['state'] == 'held'
    assert ann.last('drive')['why'] == 'waiting_neutral'
    assert all(v[1] == 0.0 for v in gateway.velocities if v[0] > released)
    ann.drive(0.0)
    ann.drive(0.45)
    gateway.wait_velocity(0.45)


def test_a_short_hold_is_ridden_out_and_its_commands_are_dropped(gateway, proxy):
    ann = gateway.connect(port=proxy.port).take()
    ann.hold(0.3, 0.5)
    proxy.held = True
    ann.hold(0.4, 0.6)
    proxy.held = False
    ann.hold(0.45, 0.5)
    speeds = [v[1] for v in gateway.velocities]
    # What was sent in the first 350 ms of the hold was older than 250 ms when it came.
    assert speeds.count(0.4) <= 5
    assert speeds[-1] == 0.45
    assert 'late' in gateway.get('/report')


def test_an_even_delay_drives_and_is_measured(gateway, proxy):
    proxy.delay_s = 0.2
    ann = gateway.connect(port=proxy.port).take()
    ann.hold(0.3, 1.0)
    gateway.wait_velocity(0.3)
    ann.send(op='ping', t=1)
    assert 380 < ann.wait(lambda m: m['op'] == 'pong', 'the pong')['round_trip_ms'] < 600


def test_a_link_beyond_the_limit_is_too_slow_and_said(gateway, proxy):
    proxy.delay_s = 0.33
    ann = gateway.connect(port=proxy.port)
    ann.send(op='lease', action='take')
    ann.wait(lambda m: m['op'] == 'drive' and m['why'] == 'link_slow', 'the reason')
    assert 'too slow' in ann.last('drive')['msg']
    assert gateway.lease['state'] == 'free'


def test_a_link_that_becomes_too_slow_stops_driving_but_never_a_stop(gateway, proxy):
    ann = gateway.connect(port=proxy.port).take()
    ann.hold(0.3, 0.5)
    proxy.delay_s = 0.35
    ann.hold(0.3, 2.0)
    assert ann.last('drive')['why'] in ('late', 'link_slow')
    seen = len(gateway.velocities)
    ann.drive(0.0)
    wait_for(lambda: len(gateway.velocities) > seen, 2, 'the zero')
    ann.send(op='call_service', service='e_stop_trigger')
    ann.send(op='lease', action='release')
    wait_for(lambda: gateway.lease['state'] == 'free', 2, 'the lease free')


def test_nothing_drives_before_the_first_answer_to_a_ping(gateway):
    mute = gateway.connect(answers=False)
    mute.send(op='lease', action='take')
    mute.hold(0.3, 0.6)
    # The wish waits for an answer; without one there is no lease and no motion.
    assert gateway.lease['state'] == 'free'
    assert gateway.velocities == []
    mute.answers = True
    mute.wait(lambda m: m['op'] == 'lease' and m['mine'], 'the lease')


def test_a_cut_without_a_word_stops_within_the_silence(gateway, proxy):
    ann = gateway.connect(port=proxy.port).take()
    ann.hold(0.3, 0.5)
    cut = time.monotonic()
    proxy.held = True
    assert gateway.wait_velocity(0.0) - cut < 0.3
    wait_for(lambda: gateway.lease['state'] == 'away', 2, 'the lease lost')
    assert gateway.leases[-1][0] - cut < 1.3
