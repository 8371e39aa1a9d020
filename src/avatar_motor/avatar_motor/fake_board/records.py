# SPDX-License-Identifier: Apache-2.0
"""What the fake board writes down: its outputs, and every line of the serial port."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any


class Record:
    """A file of JSON lines, flushed at once. A full disk must not stop the board."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open('a', encoding='utf-8', buffering=1)
        self._complained = False

    def write(self, **entry: Any) -> None:
        try:
            self._file.write(json.dumps(entry) + '\n')
            self._complained = False
        except OSError as error:
            if not self._complained:
                self._complained = True
                print(f'fake_board: cannot write {self._file.name}: {error}', file=sys.stderr)


class LineCutter:
    """Cuts bytes into lines for the record; t is when the bytes were read."""

    def __init__(self) -> None:
        self._rest = b''

    def cut(self, data: bytes) -> list[str]:
        *lines, rest = (self._rest + data).split(b'\n')
        self._rest = rest[-1000:]
        return [line.decode('latin-1').rstrip('\r') for line in lines]
