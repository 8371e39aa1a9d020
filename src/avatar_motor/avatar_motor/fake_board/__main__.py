# SPDX-License-Identifier: Apache-2.0
"""Run the fake board: `python -m avatar_motor.fake_board --state-dir DIR`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from avatar_motor.fake_board.board import Board, Switches
from avatar_motor.fake_board.firmware_old import FirmwareV0, FirmwareV1
from avatar_motor.fake_board.firmware_v2 import FirmwareV2
from avatar_motor.fake_board.port import Port, PtyPort, SocketPort
from avatar_motor.fake_board.records import Record
from avatar_motor.fake_board.server import Server
from avatar_motor.fake_board.tracks import Tracks

FIRMWARES: dict[str, type[Board]] = {'v2': FirmwareV2, 'v1': FirmwareV1, 'v0': FirmwareV0}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='fake_board', description='A motor board without hardware.'
    )
    add = parser.add_argument
    default_state = os.environ.get('AVATAR_STATE_DIR') or '~/.local/state/avatar'
    add('--state-dir', default=default_state, help='its files go to DIR/sim (%(default)s)')
    add('--dialect', choices=sorted(FIRMWARES), default='v2', help='which firmware')
    add('--link', help='name of the serial port (DIR/sim/ttyBOARD)')
    add('--control', help='unix socket for faults and state (DIR/sim/board.sock)')
    add('--trace', help='record of the outputs (DIR/sim/board.jsonl)')
    add('--lines', default=os.environ.get('AVATAR_BOARD_LINES'),
        help='record of every line received and sent (AVATAR_BOARD_LINES)')  # fmt: skip
    add('--socket', help="connect to this unix socket (QEMU's chardev) instead of making a pty")
    add('--no-blink', action='store_true', help='do not block while the LED blinks')
    add('--reset-on-open', action='store_true', help='restart when the port is opened')
    add('--boot-s', type=float, default=3.2, help='time from reset to listening, s (%(default)s)')
    add('--full-speed', type=float, default=1.0, help='of a track at duty 255, m/s (%(default)s)')
    add('--track-width', type=float, default=0.25, help='between the tracks, m (%(default)s)')
    return parser


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if '--ros-args' in words:  # what launch adds is not ours
        words = words[: words.index('--ros-args')]
    options = arguments().parse_args(words)
    sim = Path(options.state_dir).expanduser() / 'sim'
    try:
        sim.mkdir(parents=True, exist_ok=True)
        trace = Record(Path(options.trace or sim / 'board.jsonl'))
        lines = Record(Path(options.lines)) if options.lines else None
    except OSError as error:
        print(f'fake_board: cannot write {error.filename}: {error.strerror}', file=sys.stderr)
        return 1
    port: Port = (
        SocketPort(options.socket)
        if options.socket
        else PtyPort(Path(options.link or sim / 'ttyBOARD').absolute())
    )
    board = FIRMWARES[options.dialect](Switches(blink=not options.no_blink, boot_s=options.boot_s))
    Server(
        board, port, trace, lines,
        control=Path(options.control or sim / 'board.sock').absolute(),
        tracks=Tracks(options.full_speed, options.track_width),
        reset_on_open=options.reset_on_open,
    ).run()  # fmt: skip
    return 0


if __name__ == '__main__':
    sys.exit(main())
