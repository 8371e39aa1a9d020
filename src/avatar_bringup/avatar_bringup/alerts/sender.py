# SPDX-License-Identifier: Apache-2.0
"""
The short-lived process that sends; the only one that imports apprise (40 MB and a second).

Standard input has a job, a JSON object: `{"limit_s": 25, "letters": [{"to": id, "url": ...,
"title": ..., "body": ..., "bad": true}]}`. A line of JSON for each comes back on standard output
as soon as it is known: `{"to": id, "outcome": word, "detail": text}`. All services are tried at
the same time, so that one that hangs holds up none. Nothing of a URL ever comes out.
"""

import json
import logging
import os
import re
import sys
import threading
import time
from typing import Any

READ_TIMEOUT_S = 10.0

SENT = 'sent'
NOT_INSTALLED = 'not_installed'
BAD_URL = 'bad_url'
UNREACHABLE = 'unreachable'
REFUSED = 'refused'
NO_ANSWER = 'no_answer'


class _Heard(logging.Handler):
    """What apprise logs in each thread: it says there why it failed, with secrets beside it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: dict[int | None, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.setdefault(record.thread, []).append(record.getMessage())


def why(texts: list[str]) -> tuple[str, str]:
    """Return outcome and detail of a failure, from what was logged; nothing else of it is used."""
    text = '\n'.join(texts)
    if re.search(r'read timed out|ReadTimeout', text, re.IGNORECASE):
        return NO_ANSWER, ''
    status = re.search(r'\berror[=: ]+([1-5]\d\d)\b', text)
    if status:
        return REFUSED, status[1]
    if re.search(r'connection error|socket exception|ConnectionError|getaddrinfo|timed out',
                 text, re.IGNORECASE):
        return UNREACHABLE, ''
    return REFUSED, ''


def send(letter: dict[str, Any], heard: _Heard) -> tuple[str, str]:
    """Send one; return outcome and detail."""
    import apprise

    plugin = apprise.Apprise.instantiate(letter['url'])
    if plugin is None:
        return BAD_URL, ''
    plugin.socket_read_timeout = max(plugin.socket_read_timeout, READ_TIMEOUT_S)
    kind = apprise.NotifyType.FAILURE if letter.get('bad') else apprise.NotifyType.INFO
    try:
        if plugin.notify(body=letter['body'], title=letter['title'], notify_type=kind):
            return SENT, ''
    except Exception as problem:  # noqa: BLE001 - a hundred plugins, of any quality
        return REFUSED, type(problem).__name__
    return why(heard.texts.get(threading.get_ident(), []))


def main() -> int:
    """Read the job, send, and end within its limit whatever hangs."""
    job = json.load(sys.stdin)
    os.nice(10)
    deadline = time.monotonic() + float(job['limit_s'])
    heard, lock = _Heard(), threading.Lock()
    logger = logging.getLogger('apprise')
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

    def answer(to: str, outcome: str, detail: str) -> None:
        with lock:
            print(json.dumps({'to': to, 'outcome': outcome, 'detail': detail}), flush=True)

    try:
        import apprise  # noqa: F401
    except ImportError:
        for letter in job['letters']:
            answer(letter['to'], NOT_INSTALLED, '')
        return 0
    threads = [threading.Thread(
        target=lambda letter=letter: answer(letter['to'], *send(letter, heard)), daemon=True)
        for letter in job['letters']]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    sys.stdout.flush()
    # A thread that hangs would hold up the end of the interpreter, and may hold any lock.
    os._exit(0)


if __name__ == '__main__':
    sys.exit(main())
