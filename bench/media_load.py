# SPDX-License-Identifier: Apache-2.0
"""
What viewers and downloads cost the loop that carries the commands.

    make bench-media       or: sh tools/setup.sh run python bench/media_load.py [SECONDS]

A gateway process with a real MediaMTX; for SECONDS (15) each: at rest, one browser that fetches a
recording of 500 MB as fast as it can (again and again), 20 viewers that join and leave as fast as
they can, and both. Meanwhile a client of its own process asks `ping` 50 times a second: the answer
waits for the loop as a command does. Prints a table and ends with one JSON line.
"""

import asyncio
import http.client
import itertools
import json
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from avatar_bringup.ports import Ports  # noqa: E402
from avatar_node.testing import ros_env, wait_for  # noqa: E402
from tests.media import MediaServer, Viewer  # noqa: E402

TOKEN = 'the-token-of-this-bench'
FILM = 'avatar_20260102_030405.mp4'
FILM_BYTES = 500_000_000
VIEWERS = 20
# One signed-in browser may have four.
ACCOUNTS = VIEWERS // 4
PASSWORD = 'correct horse'


def percentile(values: list[float], percent: float) -> float:
    """Return the value that `percent` of all do not exceed."""
    return sorted(values)[min(int(len(values) * percent / 100), len(values) - 1)]


async def ask_pings(url: str, seconds: float) -> list[float]:
    """Return the round trips [ms] of 50 pings a second."""
    trips = []
    async with aiohttp.ClientSession() as session, session.ws_connect(
            f'{url}/rosbridge?token={TOKEN}') as socket:
        end = time.perf_counter() + seconds
        for number in itertools.count():
            begin = time.perf_counter()
            if begin > end:
                return trips
            await socket.send_json({'op': 'ping', 't': number})
            while True:
                message = json.loads((await socket.receive()).data)
                if message['op'] == 'pong' and message['t'] == number:
                    break
            trips.append(1000 * (time.perf_counter() - begin))
            await asyncio.sleep(max(0.0, 0.02 - (time.perf_counter() - begin)))
    raise AssertionError('not reached')


def download(port: int, seconds: float) -> float:
    """Fetch the film again and again; return MB/s."""
    print('ready', flush=True)
    end, got = time.monotonic() + seconds, 0
    buffer = bytearray(1 << 20)
    while time.monotonic() < end:
        connection = http.client.HTTPConnection('127.0.0.1', port)
        connection.request('GET', f'/api/recordings/{FILM}', headers={
            'Authorization': f'Bearer {TOKEN}'})
        response = connection.getresponse()
        while time.monotonic() < end and (count := response.readinto(buffer)):
            got += count
        connection.close()
    return got / seconds / 1e6


async def come_and_go(url: str, seconds: float) -> int:
    """Have 20 viewers join and leave; return how often one joined."""
    joined = 0
    clients = []
    async with aiohttp.ClientSession(headers={'Authorization': f'Bearer {TOKEN}'}) as admin:
        for number in range(ACCOUNTS):
            await admin.post(f'{url}/api/users', json={
                'name': f'user{number}', 'role': 'viewer', 'password': PASSWORD})
            answer = await admin.post(f'{url}/api/login', json={
                'name': f'user{number}', 'password': PASSWORD, 'bearer': True})
            token = (await answer.json())['token']
            clients += [aiohttp.ClientSession(url, headers={
                'Authorization': f'Bearer {token}'}) for _ in range(4)]
    offerer = Viewer(clients[0])
    offer = (await offerer.offer()).encode()
    print('ready', flush=True)
    end = time.monotonic() + seconds

    async def watch(client: aiohttp.ClientSession) -> None:
        nonlocal joined
        while time.monotonic() < end:
            async with client.post('/whep/camera', data=offer, headers={
                    'Content-Type': 'application/sdp'}) as response:
                assert response.status == 201, await response.text()
                await response.read()
                location = response.headers['Location']
            joined += 1
            async with client.delete(location) as response:
                assert response.status == 200
            await asyncio.sleep(0.5)

    await asyncio.gather(*(watch(client) for client in clients))
    await offerer.close()
    for client in clients:
        await client.close()
    return joined


def report(url: str) -> dict[str, float]:
    """Return the gateway's own figures of its loop."""
    async def ask() -> dict[str, float]:
        async with aiohttp.ClientSession() as session, session.get(
                f'{url}/api/report?token={TOKEN}') as response:
            return dict((await response.json())['loop_lateness_ms'])
    return asyncio.run(ask())


def role(*words: str) -> 'subprocess.Popen[str]':
    """Start this program in one of its roles."""
    return subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)


def measure(url: str, port: int, seconds: float, roles: tuple[str, ...]) -> dict[str, float]:
    """Measure one row of the table."""
    others = {name: role(name, url, str(port), str(seconds + 1)) for name in roles}
    for process in others.values():
        assert process.stdout is not None and process.stdout.readline() == 'ready\n'
    time.sleep(1.0)
    pings = role('pings', url, str(port), str(seconds - 1))
    trips = json.loads(pings.communicate(timeout=seconds + 30)[0])
    row = {f'ping_p{p}_ms': round(percentile(trips, p), 2) for p in (50, 95, 99)}
    row['ping_max_ms'] = round(max(trips), 1)
    for name, process in others.items():
        row[name] = round(json.loads(process.communicate(timeout=60)[0]), 1)
        assert process.returncode == 0, name
    return row


def main() -> int:
    """Measure, print, end with one JSON line."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    with tempfile.TemporaryDirectory() as folder:
        state, ports, secret = Path(folder), Ports.free(), secrets.token_hex(16)
        (state / 'recordings').mkdir()
        with (state / 'recordings' / FILM).open('wb') as film:
            film.truncate(FILM_BYTES)
        server = MediaServer(ports, secret)
        gateway = subprocess.Popen(
            [sys.executable, '-m', 'avatar_web.node', '--ros-args', '-p', 'port:=0',
             '-p', 'camera:=true', '-p', f'inner_port:={ports.inner}',
             '-p', f'webrtc_port:={ports.webrtc}', '-p', f'api_port:={ports.api}'],
            env={**ros_env(state), 'AVATAR_DEMO_TOKEN': TOKEN, 'AVATAR_MEDIA_SECRET': secret},
            stderr=subprocess.DEVNULL)
        try:
            wait_for((state / 'gateway.port').exists, 20, 'the gateway')
            port = int((state / 'gateway.port').read_text())
            url = f'http://127.0.0.1:{port}'
            time.sleep(2.0)
            rows = {name: measure(url, port, seconds, roles) for name, roles in {
                'at rest': (), '500 MB': ('mb_s',), '20 viewers': ('joins',),
                'both': ('mb_s', 'joins')}.items()}
            lateness = report(url)
        finally:
            gateway.send_signal(signal.SIGINT)
            gateway.wait(10)
            server.stop()
    print(f'ping to pong, ms; {os.cpu_count()} cores, {platform.machine()}, '
          f'Python {platform.python_version()}')
    print(f'{"":12}{"p50":>8}{"p95":>8}{"p99":>8}{"max":>8}{"MB/s":>8}{"joins":>8}')
    for name, row in rows.items():
        print(f'{name:12}' + ''.join(f'{row[f"ping_{x}_ms"]:8.1f}' for x in (
            'p50', 'p95', 'p99', 'max')) + f'{row.get("mb_s", 0):8.0f}{row.get("joins", 0):8.0f}')
    print(f'lateness of the loop over all of it: p50 {lateness["p50"]} p99 {lateness["p99"]} '
          f'max {lateness["max"]} ms ({lateness["count"]} ticks)')
    print(json.dumps({'bench': 'media_load', 'loop_lateness_ms': lateness, **rows}))
    return 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['pings']:
        print(json.dumps(asyncio.run(ask_pings(sys.argv[2], float(sys.argv[4])))))
    elif sys.argv[1:2] == ['mb_s']:
        print(json.dumps(download(int(sys.argv[3]), float(sys.argv[4]))))
    elif sys.argv[1:2] == ['joins']:
        print(json.dumps(asyncio.run(come_and_go(sys.argv[2], float(sys.argv[4])))))
    else:
        sys.exit(main())
