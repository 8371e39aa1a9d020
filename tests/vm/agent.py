# SPDX-License-Identifier: Apache-2.0
"""Inside the virtual robot: run commands for the test outside, one JSON object a line each way.

In:  {"id": 1, "do": "spawn", "argv": [...], "env": {...}, "cwd": "/"}
     {"id": 1, "do": "write", "text": "..."} | {"id": 1, "do": "signal", "number": 15}
Out: {"agent": "ready"} {"id": 1, "pid": 77} {"id": 1, "line": "..."} {"id": 1, "code": 0}

Only the standard library: it must start quickly. When the test outside is gone, however that
went, the port reads as ended; the agent ends with it, and so does the robot.
"""

import json
import os
import subprocess
import sys
import threading
from typing import Any

Process = subprocess.Popen[bytes]


class Agent:
    """Serves one virtio port. Every process has a group and two threads of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._processes: dict[int, Process] = {}

    def serve(self) -> None:
        """Answer until the other end is gone."""
        self._say({'agent': 'ready'})
        pending = b''
        while data := os.read(self._port, 32768):
            *lines, pending = (pending + data).split(b'\n')
            for line in lines:
                order = json.loads(line)
                try:
                    getattr(self, '_' + order['do'])(order)
                except OSError as error:
                    self._say({'id': order['id'], 'error': str(error)})

    def _say(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b'\n'
        with self._lock:
            while data:
                data = data[os.write(self._port, data) :]

    def _spawn(self, order: dict[str, Any]) -> None:
        process = subprocess.Popen(
            order['argv'],
            env=order['env'],
            cwd=order['cwd'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes[order['id']] = process
        self._say({'id': order['id'], 'pid': process.pid})
        threading.Thread(target=self._watch, args=(order['id'], process), daemon=True).start()

    def _watch(self, number: int, process: Process) -> None:
        pump = threading.Thread(target=self._pump, args=(number, process), daemon=True)
        pump.start()
        code = process.wait()
        pump.join(timeout=1.0)  # a grandchild may keep the pipe open for ever
        self._say({'id': number, 'code': code})

    def _pump(self, number: int, process: Process) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._say({'id': number, 'line': line.decode(errors='replace').rstrip('\n')})

    def _write(self, order: dict[str, Any]) -> None:
        stdin = self._processes[order['id']].stdin
        assert stdin is not None
        stdin.write(order['text'].encode())
        stdin.flush()

    def _signal(self, order: dict[str, Any]) -> None:
        process = self._processes[order['id']]
        if process.poll() is None:
            os.killpg(process.pid, order['number'])


if __name__ == '__main__':
    Agent(os.open(sys.argv[1], os.O_RDWR)).serve()
