# SPDX-License-Identifier: Apache-2.0
"""The fake board against the firmware's description: bytes, times, quirks, faults.

The firmware itself is tested in virtual time, the process around it as a process.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import time
import tty

import pytest

from avatar_motor.fake_board.board import BYTE_S, Board, Switches
from avatar_motor.fake_board.firmware_old import FirmwareV0, FirmwareV1
from avatar_motor.fake_board.firmware_v2 import FirmwareV2
from avatar_motor.fake_board.tracks import Tracks
from avatar_node.testing import Lines, wait_for

NOBODY = 65534


class Talk:
    """A board in virtual time; lines are what it printed."""

    def __init__(self, firmware: type[Board] = FirmwareV2, booted: bool = True, **switches):
        self.now = 50.0
        self.board = firmware(Switches(**switches))
        self.outputs: list[tuple[float, int, int, str]] = []
        self.board.on_outputs = lambda *change: self.outputs.append(change)
        self.board.power_on(self.now)
        if booted:
            self.wait(4.0)

    def wait(self, seconds: float) -> list[str]:
        return [line for _, line in self.timed(seconds)]

    def timed(self, seconds: float) -> list[tuple[float, str]]:
        """Run; return each line with the seconds after which it was printed."""
        began, self.now = self.now, self.now + seconds
        self.board.advance(self.now)
        lines = []
        for sent in self.board.sent:
            texts = sent.data.decode('latin-1').removesuffix('\r\n').split('\r\n')
            lines += [(sent.t - began, text) for text in texts]
        self.board.sent.clear()
        return lines

    def say(self, line: bytes, seconds: float = 1.0) -> list[str]:
        self.board.receive(line, self.now)
        return [line for line in self.wait(seconds) if 'heartbeat' not in line]


def without_uptime(line: str) -> str:
    head, found, rest = line.partition('"uptime":')
    digits = len(rest) - len(rest.lstrip('0123456789'))
    return head + found + '#' + rest[digits:] if found else line


PWM = '{"ok":true,"cmd":"PWM","left":%d,"right":%d,"uptime":#}'
UNKNOWN = '{"ok":false,"error":"unknown_command","received":"%s"}'
RANGE = '{"ok":false,"error":"invalid_speed_range","range":"-255 to +255"}'
FORMAT = '{"ok":false,"error":"invalid_pwm_format","expected":"PWM left right"}'
LIGHTS = '{"ok":true,"cmd":"LIGHTS","light":"%s","state":"%s"}'


@pytest.mark.parametrize(('line', 'answer', 'pulses'), [
    (b'PWM 80 -80\n', PWM % (80, -80), (1656, 1155)),
    (b'PWM 255 -255\r\n', PWM % (255, -255), (2000, 1499)),
    (b'  PWM -1 1  \n', PWM % (-1, 1), (1000, 1501)),
    (b'PWM 256 0\n', RANGE, (1500, 1500)),
    (b'PWM 0 -256\n', RANGE, (1500, 1500)),
    (b'PWM 99999999999 0\n', RANGE, (1500, 1500)),
    (b'PWM 80\n', FORMAT, (1500, 1500)),
    (b'PWM\n', UNKNOWN % 'PWM', (1500, 1500)),
    (b'pwm 80 80\n', UNKNOWN % 'pwm 80 80', (1500, 1500)),
    (b'PWM  80 80\n', PWM % (0, 80), (1500, 1656)),  # two spaces: the left one is lost
    (b'PWM a b\n', PWM % (0, 0), (1500, 1500)),
    (b'PWM 80x 90y\n', PWM % (80, 90), (1656, 1675)),
    (b'PWM +7 7.9\n', PWM % (7, 7), (1512, 1512)),
    (b'STOP\n', '{"ok":true,"cmd":"STOP","reason":"command","uptime":#}', (1500, 1500)),
    (b'STOPP\n', UNKNOWN % 'STOPP', (1500, 1500)),
    (b'\n', UNKNOWN % '', (1500, 1500)),
    (b'say "hi"\n', UNKNOWN % 'say "hi"', (1500, 1500)),
    (b'STATUS\n', '{"ok":true,"status":{"left":0,"right":0,"front_lights":"off",'
     '"back_lights":"off","uptime":#,"last_cmd":0,"watchdog_timeout":2000}}', (1500, 1500)),
    (b'LIGHTS FRONT ON\n', LIGHTS % ('front', 'on'), (1500, 1500)),
    (b'LIGHTS back 1\n', LIGHTS % ('back', 'on'), (1500, 1500)),
    (b'LIGHTS FRONT maybe\n', LIGHTS % ('front', 'off'), (1500, 1500)),
    (b'LIGHTS ROOF ON\n', '{"ok":false,"error":"invalid_light_position",'
     '"expected":"FRONT or BACK"}', (1500, 1500)),
    (b'LIGHTS FRONT\n', '{"ok":false,"error":"invalid_lights_format",'
     '"expected":"LIGHTS FRONT/BACK ON/OFF"}', (1500, 1500)),
    (b'LIGHTS\n', UNKNOWN % 'LIGHTS', (1500, 1500)),
    (b'MOTOR:L:80:R:80\n', '{"ok":true,"cmd":"MOTOR","left":80,"right":0}', (1656, 1500)),
    (b'MOTOR:L:300:R:0\n', '{"ok":false,"error":"invalid_speed_range"}', (1500, 1500)),
    (b'MOTOR:L:80\n', '{"ok":false,"error":"invalid_motor_format"}', (1500, 1500)),
    (b'\xff\xfe\n', UNKNOWN % '\xff\xfe', (1500, 1500)),
])  # fmt: skip
def test_v2_answers_byte_for_byte(line, answer, pulses):
    talk = Talk()
    assert [without_uptime(text) for text in talk.say(line, 0.5)] == [answer]
    assert (talk.board.left_us, talk.board.right_us) == pulses


def test_v2_refused_speed_keeps_the_old_one_running():
    talk = Talk()
    talk.say(b'PWM 80 80\n')
    talk.say(b'PWM 300 0\n')
    assert talk.board.left_us == 1656


def test_v2_boot_takes_3_2_s():
    lines = Talk(booted=False).timed(4.0)
    assert [(round(t, 2), text) for t, text in lines[-5:]] == [
        (2.0, '{"status":"ready","version":"2.0","firmware":"ESP32_CRAWLER"}'),
        (2.0, '{"info":"Commands: PWM left right | STOP | STATUS | TEST"}'),
        (2.0, '{"info":"Speed range: -255 to +255"}'),
        (2.0, '{"info":"Watchdog timeout: 2000ms"}'),
        (3.2, '{"status":"initialized","ok":true}'),
    ]
    assert 'rst:0x1' in lines[2][1]


@pytest.mark.parametrize(('first', 'deaf_s'), [
    (b'PWM 80 80\n', 0.06), (b'LIGHTS BACK ON\n', 0.06), (b'STOP\n', 0.31), (b'STATUS\n', 0.01),
    (b'nonsense\n', 0.01),
])  # fmt: skip
def test_v2_is_deaf_while_it_blinks(first, deaf_s):
    talk = Talk()
    talk.board.receive(first, talk.now)
    ((answered, _),) = talk.timed(0.02)
    assert answered <= 0.01 + len(first) * BYTE_S
    talk.board.receive(b'STATUS\n', talk.now)
    (next_answer,) = [t for t, line in talk.timed(1.0) if 'status' in line]
    assert next_answer + 0.02 - answered == pytest.approx(max(deaf_s, 0.02), abs=0.011)


def test_v2_glues_lines_that_wait_together():
    talk = Talk()
    assert [without_uptime(text) for text in talk.say(b'PWM 80 80\nSTOP\n')] == [PWM % (80, 80)]
    assert talk.board.left_us == 1656  # the STOP is lost
    assert talk.say(b'STOP\nSTOP\n') == [UNKNOWN % 'STOPSTOP']
    talk.board.receive(b'PWM 0 0\n', talk.now)
    talk.wait(0.03)
    talk.board.receive(b'PWM 5 5\n', talk.now)  # both of these come while it blinks
    talk.board.receive(b'PWM 6 6\n', talk.now)
    assert PWM % (5, 5) in [without_uptime(line) for line in talk.wait(0.2)]


def test_v2_half_lines_wait_for_their_rest():
    talk = Talk()
    assert talk.say(b'STA') == []
    assert 'status' in talk.say(b'TUS\n')[0]


def test_v2_buffer_holds_256_bytes():
    talk = Talk()
    talk.board.receive(b'x' * 300 + b'\n', talk.now)
    talk.wait(1.0)
    assert talk.board.lost_bytes == 45


def test_v2_watchdog_trips_after_2_s_and_any_line_feeds_it():
    talk = Talk()
    talk.say(b'PWM 80 80\n', 1.9)
    talk.say(b'nonsense\n', 1.9)
    assert talk.board.left_us == 1656
    fed_at = talk.now - 1.9
    (line,) = [text for text in talk.wait(2.0) if 'emergency' in text]
    assert without_uptime(line) == '{"emergency":true,"reason":"watchdog_timeout","uptime":#}'
    t, left_us, right_us, cause = talk.outputs[-1]
    assert (left_us, right_us, cause) == (1500, 1500, 'watchdog')
    assert 2.0 < t - fed_at < 2.03
    talk.board.receive(b'STATUS\n', t + 0.01)
    talk.now = t
    talk.board.sent.clear()
    ((answered, _),) = talk.timed(2.0)
    assert answered == pytest.approx(0.91, abs=0.011)  # five blinks


def test_v2_watchdog_can_be_stuck():
    talk = Talk(stuck_watchdog=True)
    talk.say(b'PWM 80 80\n', 10.0)
    assert talk.board.left_us == 1656


def test_v2_standing_board_says_nothing_a_moving_one_each_second():
    talk = Talk()
    assert talk.wait(10.0) == []
    talk.board.receive(b'PWM 80 -80\n', talk.now)
    beats = []
    for _ in range(10):
        beats += [text for text in talk.wait(0.5) if 'heartbeat' in text]
        talk.board.receive(b'PWM 80 -80\n', talk.now)
    assert 4 <= len(beats) <= 6
    assert without_uptime(beats[0]) == '{"heartbeat":true,"left":80,"right":-80,"uptime":#}'


def test_v2_test_runs_4_5_s_and_hears_nothing():
    talk = Talk()
    talk.board.receive(b'TEST\n', talk.now)
    talk.wait(0.1)
    talk.board.receive(b'STOP\n', talk.now)
    lines = talk.wait(6.0)
    assert lines[:-1] == ['TEST:BACKWARD', 'TEST:LEFT_TURN', 'TEST:RIGHT_TURN', 'TEST:STOP',
                          '{"status":"test_complete","ok":true}']  # fmt: skip
    assert '"cmd":"STOP"' in lines[-1]
    assert [change[1:3] for change in talk.outputs] == [
        (1600, 1600), (1400, 1400), (1400, 1600), (1600, 1400), (1500, 1500)]  # fmt: skip


def test_v2_reset_forgets_everything():
    talk = Talk()
    talk.say(b'LIGHTS FRONT ON\n')
    talk.say(b'PWM 80 80\n')
    talk.board.power_on(talk.now)
    assert (talk.board.left_us, talk.board.front_lights) == (1500, False)
    talk.wait(4.0)
    (line,) = talk.say(b'STATUS\n')
    assert '"left":0' in line and 4000 <= int(line.split('"uptime":')[1].split(',')[0]) < 4020


def test_hang_keeps_the_outputs_and_delays_the_watchdog():
    talk = Talk()
    talk.say(b'PWM 80 80\n', 0.1)
    talk.board.hang(talk.now, 5.0)
    talk.wait(4.9)
    assert talk.board.left_us == 1656
    talk.wait(0.2)
    assert talk.board.left_us == 1500


@pytest.mark.parametrize(('line', 'answer', 'pulses'), [
    (b'MOTOR:L:80:R:80\n', 'MOTOR_OK:L:80:R:0', (1656, 1500)),
    (b'MOTOR:L:999:R:0\n', 'MOTOR_ERROR:INVALID_SPEED_RANGE', (1500, 1500)),
    (b'MOTOR:L\n', 'MOTOR_ERROR:INVALID_FORMAT', (1500, 1500)),
    (b'STATUS\n', 'STATUS_OK:L:0:R:0', (1500, 1500)),
    (b'STOP\n', 'MOTOR_STOPPED', (1500, 1500)),
    (b'PWM 80 80\n', 'ERROR:UNKNOWN_COMMAND', (1500, 1500)),
    (b'LIGHTS FRONT ON\n', 'ERROR:UNKNOWN_COMMAND', (1500, 1500)),
])  # fmt: skip
def test_v1_answers(line, answer, pulses):
    talk = Talk(FirmwareV1)
    assert talk.say(line, 0.5) == [answer]
    assert (talk.board.left_us, talk.board.right_us) == pulses
    talk.wait(20.0)
    assert (talk.board.left_us, talk.board.right_us) == pulses  # no watchdog


def test_v1_boot():
    lines = Talk(FirmwareV1, booted=False).timed(4.0)
    assert (round(lines[-1][0], 2), lines[-1][1]) == (3.2, 'ESP32_CRAWLER_INITIALIZED')
    assert [text for _, text in lines[-4:-1]] == [
        'ESP32_CRAWLER_READY', 'Command format: MOTOR:L:{speed}:R:{speed}',
        'Speed range: -255 to +255']  # fmt: skip


@pytest.mark.parametrize(('line', 'answer', 'pulses'), [
    (b'PWM 255 -255\n', '{"ack":"PWM","L":255,"R":-255,"voltage":11.85}', (2000, 1000)),
    (b'PWM 300 0\n', '{"ack":"PWM","L":300,"R":0,"voltage":11.85}', (2000, 1500)),  # clamped
    (b'STOP now\n', '{"ack":"STOP","voltage":11.85}', (1500, 1500)),
    (b'PWM 80\n', '{"err":"bad_cmd","voltage":11.85}', (1500, 1500)),
    (b'LIGHTS FRONT ON\n', '{"err":"bad_cmd","voltage":11.85}', (1500, 1500)),
])  # fmt: skip
def test_v0_answers(line, answer, pulses):
    talk = Talk(FirmwareV0)
    lines = talk.say(line, 0.2)
    assert [text for text in lines if '"ts"' not in text] == [answer]
    assert (talk.board.left_us, talk.board.right_us) == pulses
    talk.wait(20.0)
    assert (talk.board.left_us, talk.board.right_us) == pulses  # no watchdog


def test_v0_tells_its_battery_twice_a_second_and_keeps_lines_apart():
    talk = Talk(FirmwareV0)
    lines = talk.wait(10.0)
    assert 19 <= len(lines) <= 20
    assert lines[0].startswith('{"ok":true,"voltage":11.85,"current":230.0,"ts":')
    acks = [text for text in talk.say(b'PWM 80 80\nSTOP\n', 0.3) if 'ack' in text]
    assert len(acks) == 2 and 'STOP' in acks[1]


# ---- tracks


@pytest.mark.parametrize(('left_us', 'right_us', 'seconds', 'pose'), [
    (2000, 2000, 1.0, (1.0, 0.0, 0.0)),
    (1250, 1250, 2.0, (-1.0, 0.0, 0.0)),
    (1250, 1750, 0.25 * math.pi / 2, (0.0, 0.0, math.pi / 2)),  # on the spot, to the left
    (1500, 2000, 0.25 * math.pi, (0.0, 0.25, math.pi)),  # half a circle around the left track
])  # fmt: skip
def test_tracks(left_us, right_us, seconds, pose):
    tracks = Tracks(full_speed_mps=1.0, width_m=0.25, t=7.0)
    tracks.set_pulses(7.0, left_us, right_us)
    tracks.set_pulses(7.0 + seconds / 2, left_us, right_us)
    tracks.advance(7.0 + seconds)
    assert (tracks.x_m, tracks.y_m) == pytest.approx(pose[:2], abs=1e-9)
    assert math.cos(tracks.heading_rad - pose[2]) == pytest.approx(1.0)


# ---- the process


def open_port(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(fd)
    return fd


def exchange(fd: int, line: bytes, part: bytes, timeout_s: float = 2.0) -> bytes:
    os.write(fd, line)
    heard = bytearray()

    def listen() -> bool:
        try:
            heard.extend(os.read(fd, 4096))
        except BlockingIOError:
            return False
        return part in heard

    wait_for(listen, timeout_s, f'{part!r} in the answer', 0.002)
    return bytes(heard)


def test_process_drives_over_a_pty_and_leaves_a_trace(make_board):
    board = make_board('--boot-s', '0.5')
    fd = open_port(board.port)
    exchange(fd, b'', b'initialized')
    exchange(fd, b'PWM 80 -80\n', b'"right":-80')
    os.close(fd)  # its watchdog goes on without a host
    stopped_at = board.until((1500, 1500), 4.0)
    causes = [(one['left_us'], one['right_us'], one['cause']) for one in board.trace()]
    assert causes == [(1500, 1500, 'boot'), (1656, 1155, 'PWM'), (1500, 1500, 'watchdog')]
    assert 2.0 < stopped_at - board.trace()[1]['t'] < 2.1
    fd = open_port(board.port)  # opened again: it lives
    exchange(fd, b'STATUS\n', b'watchdog_timeout')
    os.close(fd)
    assert board.ask('state')['heading_rad'] != 0
    assert [line for _, line in board.lines()] == ['PWM 80 -80', 'STATUS']


def test_process_survives_a_host_that_opens_and_closes(make_board):
    board = make_board('--boot-s', '0.3')
    for _ in range(50):
        os.close(open_port(board.port))
    fd = open_port(board.port)
    board.ask('reset')
    exchange(fd, b'', b'initialized')
    exchange(fd, b'STOP\n', b'"cmd":"STOP"')
    os.close(fd)
    assert board.process.poll() is None


def test_process_can_reset_when_it_is_opened(make_board):
    board = make_board('--boot-s', '0.3', '--reset-on-open')
    for _ in range(2):
        fd = open_port(board.port)
        assert b'rst:0x1' in exchange(fd, b'', b'initialized')
        os.close(fd)
        board.look()


@pytest.mark.parametrize('ending', [signal.SIGTERM, signal.SIGINT])
def test_process_ends_at_once(make_board, ending):
    board = make_board()
    fd = open_port(board.port)
    began = time.monotonic()
    board.process.send_signal(ending)
    assert board.process.wait(2) == 0
    assert time.monotonic() - began < 0.5
    assert not os.path.lexists(board.port) and not (board.sim / 'board.sock').exists()
    os.close(fd)


@pytest.mark.parametrize('held', [False, True], ids=['closed', 'open'])
def test_process_costs_next_to_nothing_idle(make_board, idle_cpu, held):
    board = make_board('--boot-s', '0.3')
    fd = open_port(board.port) if held else -1
    # Its own start is over when it is over; then it rests.
    wait_for(lambda: idle_cpu(board.process.pid, 3.0) < 0.01, 10, 'a board at rest')
    if held:
        os.close(fd)


def test_faults_on_request(make_board):
    board = make_board('--boot-s', '0.3')
    fd = open_port(board.port)
    exchange(fd, b'', b'initialized')
    board.ask('drop_replies', n=1)
    board.ask('double_replies', n=1)
    os.write(fd, b'STATUS\n')
    wait_for(lambda: board.ask('state')['lines_received'] == 1, 1, 'the line')
    time.sleep(0.1)
    heard = exchange(fd, b'LIGHTS FRONT ON\n', b'"on"}')
    heard += exchange(fd, b'', b'"on"}') if heard.count(b'LIGHTS') == 1 else b''
    assert heard.count(b'LIGHTS') == 2 and b'watchdog_timeout' not in heard
    assert board.ask('state')['front_lights'] is True
    board.ask('delay_replies', n=1, s=0.3)
    began = time.monotonic()
    exchange(fd, b'STATUS\n', b'}}\r\n')
    assert 0.3 < time.monotonic() - began < 0.6
    board.ask('garbage', n=100)
    wait_for(lambda: len(os.read(fd, 4096)) == 100, 1, 'garbage')
    board.ask('stuck_watchdog', on=True)
    exchange(fd, b'PWM 80 80\n', b'"PWM"')
    board.ask('hang', s=0.4)
    began = time.monotonic()
    exchange(fd, b'STATUS\n', b'}}\r\n')
    assert 0.35 < time.monotonic() - began < 0.7
    time.sleep(2.2)
    assert board.ask('state')['left_us'] == 1656
    os.close(fd)


def test_reset_by_signal(make_board):
    board = make_board('--boot-s', '0.3')
    fd = open_port(board.port)
    exchange(fd, b'', b'initialized')
    exchange(fd, b'PWM 80 80\n', b'PWM')
    board.process.send_signal(signal.SIGUSR1)
    exchange(fd, b'', b'initialized')
    assert [one['cause'] for one in board.trace()] == ['boot', 'PWM', 'reset']
    os.close(fd)


@pytest.mark.parametrize('rename', [False, True])
def test_unplugged_it_hangs_up_and_comes_back(make_board, rename):
    board = make_board('--boot-s', '0.3')
    fd = open_port(board.port)
    exchange(fd, b'', b'initialized')
    exchange(fd, b'PWM 80 80\n', b'PWM')
    before = os.readlink(board.port)
    board.ask('unplug', s=0.4, rename=rename)
    assert not os.path.lexists(board.port)
    assert board.pulses == (1500, 1500)
    with pytest.raises(OSError):
        assert os.read(fd, 10) != b'' or os.write(fd, b'x')
    os.close(fd)
    wait_for(lambda: os.path.lexists(board.port), 2, 'the port is back')
    if rename:
        assert os.readlink(board.port) != before
    fd = open_port(board.port)
    exchange(fd, b'', b'initialized')
    os.close(fd)


def test_unplug_by_signal(make_board):
    board = make_board()
    board.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: not os.path.lexists(board.port), 1, 'unplugged')
    wait_for(lambda: os.path.lexists(board.port), 3, 'back')


def test_nonsense_on_the_control_socket_is_answered(make_board):
    board = make_board()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(board.sim / 'board.sock'))
        client.settimeout(5)
        answers = client.makefile()
        for line in (b'{', b'[]', b'{"do":"fly"}', b'{"do":"hang"}', b'{"do":"hang","s":"x"}',
                     b'\xff', b'[' * 3000):  # fmt: skip
            client.sendall(line + b'\n')
            assert '"ok": false' in answers.readline()
        client.sendall(b'x' * 10_000)
        with contextlib.suppress(ConnectionResetError):
            assert answers.readline() == ''
    assert board.ask('state')['plugged'] is True


@pytest.fixture
def nobody(tmp_path) -> int | None:
    """The user to run as: root is above exclusive use, so a test of it needs somebody else."""
    if os.getuid() != 0:
        return None
    try:
        subprocess.run([sys.executable, '-c', ''], user=NOBODY, check=True)
    except PermissionError as error:
        pytest.skip(f'another user may not run {error.filename}: it lies in a private folder')
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith('pytest-'):
            folder.chmod(0o711)
    os.chown(tmp_path, NOBODY, NOBODY)
    return NOBODY


@pytest.mark.parametrize('board_user', ['same', 'mine'])
def test_a_killed_exclusive_host_does_not_lock_others_out(make_board, nobody, board_user):
    """A pty keeps TIOCEXCL after its holder was killed; a real port does not."""
    board = make_board(user=nobody if board_user == 'same' else None)
    code = (
        'import fcntl, os, sys, termios, time\n'
        'fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)\n'
        'fcntl.ioctl(fd, termios.TIOCEXCL)\n'
        'print("open", flush=True); time.sleep(60)\n'
    )
    for _ in range(3):
        device = os.path.realpath(board.port)
        if nobody is not None:
            os.chmod(device, 0o666)
        with subprocess.Popen(
            [sys.executable, '-c', code, device], stdout=subprocess.PIPE, user=nobody
        ) as host:
            assert Lines(host.stdout).next() == 'open'
            board.look()
            host.kill()
        board.look()


def test_over_a_socket_it_connects_and_connects_again(make_board, tmp_path):
    path = tmp_path / 'qemu.sock'
    board = make_board('--socket', str(path), '--boot-s', '0.3')
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            server.settimeout(3)
            line, _ = server.accept()
            line.settimeout(3)
            time.sleep(0.4)
            line.sendall(b'PWM 80 80\n')
            heard = b''
            while b'"PWM"' not in heard:
                heard += line.recv(4096)
            line.close()
        path.unlink()
    assert board.process.poll() is None
    assert board.trace()[1]['left_us'] == 1656


def test_a_full_disk_does_not_stop_it(make_board):
    board = make_board('--trace', '/dev/full', '--boot-s', '0.3')
    fd = open_port(board.port)
    exchange(fd, b'', b'initialized')
    exchange(fd, b'PWM 80 80\n', b'PWM')
    assert board.ask('state')['left_us'] == 1656
    os.close(fd)


def test_too_long_a_path_costs_only_the_control_socket(tmp_path):
    folder = tmp_path / ('x' * 100)
    with subprocess.Popen(
        [sys.executable, '-m', 'avatar_motor.fake_board', '--state-dir', str(folder),
         '--boot-s', '0.3', '--ros-args', '-r', '__ns:=/robot'], stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert '--control' in Lines(process.stderr).next()
            fd = open_port(str(folder / 'sim' / 'ttyBOARD'))
            exchange(fd, b'', b'initialized')
            exchange(fd, b'STOP\n', b'"STOP"')
            os.close(fd)
        finally:
            process.terminate()


def test_a_mistyped_option_is_refused():
    run = [sys.executable, '-m', 'avatar_motor.fake_board', '--no-blonk']
    assert subprocess.run(run, capture_output=True, check=False).returncode == 2
