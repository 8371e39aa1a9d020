# SPDX-License-Identifier: Apache-2.0
"""
The files of the page: from one folder, by clean names, compressed once.

Everything that index.html names is served below `v/EDITION/`, where EDITION is a digest of the
whole folder. What has such an address never changes, so a browser keeps it and asks no more; and
since modules name each other relatively, one page is always of one edition. index.html alone is
asked for again each time, and answered with "not modified" or with a new edition.
"""

import asyncio
import gzip
import hashlib
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

TYPES = {
    '.css': 'text/css; charset=utf-8',
    '.html': 'text/html; charset=utf-8',
    '.ico': 'image/x-icon',
    '.jpg': 'image/jpeg',
    '.js': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.mjs': 'text/javascript; charset=utf-8',
    '.mp3': 'audio/mpeg',
    '.ogg': 'audio/ogg',
    '.png': 'image/png',
    '.svg': 'image/svg+xml',
    '.txt': 'text/plain; charset=utf-8',
    '.wasm': 'application/wasm',
    '.wav': 'audio/wav',
    '.webmanifest': 'application/manifest+json',
    '.webp': 'image/webp',
    '.woff2': 'font/woff2',
}
_COMPRESSIBLE = ('text/', 'application/json', 'application/manifest', 'image/svg')

# No hidden files, no '..', nothing that a file system could read in another way.
_PATH = re.compile(r'[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,8}')
_IN_EDITION = re.compile(r'v/([0-9a-f]{16})/(.+)')
_NAMED = re.compile(rb'\b(href|src)="([^"]+)"')

ASK_AGAIN = 'no-cache'
"""Kept, but asked for again each time: an update is seen at once."""
KEEP = 'public, max-age=31536000, immutable'

Stamps = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class _File:
    body: bytes
    zipped: bytes
    etag: str
    type: str


@dataclass(frozen=True)
class _Edition:
    """The whole folder as it was at one time."""

    digest: str
    stamps: Stamps
    files: Mapping[str, _File]


class StaticFiles:
    """The folder `root`; a changed file is served changed, without a restart."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._edition = _Edition('', {}, {})

    async def serve(self, request: web.Request, name: str) -> web.Response:
        """Answer with a file; 404 for everything that is none, and for another edition's."""
        asked = _IN_EDITION.fullmatch(name)
        edition = self._edition
        if asked is None or asked[1] != edition.digest:
            edition = await asyncio.get_running_loop().run_in_executor(None, self._newest)
        if asked is None:
            file, caching = edition.files.get(name), ASK_AGAIN
        else:
            # Never a file of now under the address of then: it would be kept, among others.
            file = edition.files.get(asked[2]) if asked[1] == edition.digest else None
            caching = KEEP
        if file is None:
            raise web.HTTPNotFound
        headers = {'ETag': file.etag, 'Cache-Control': caching, 'Vary': 'Accept-Encoding'}
        if file.etag in request.headers.get('If-None-Match', ''):
            return web.Response(status=304, headers=headers)
        headers['Content-Type'] = file.type
        body = file.body
        if file.zipped and 'gzip' in request.headers.get('Accept-Encoding', ''):
            headers['Content-Encoding'] = 'gzip'
            body = file.zipped
        return web.Response(body=body, headers=headers)

    def _newest(self) -> _Edition:
        """Return the folder as it is now, read again if something in it changed."""
        with self._lock:
            stamps = self._stamps()
            if stamps != self._edition.stamps:
                self._edition = self._read(stamps)
            return self._edition

    def _stamps(self) -> Stamps:
        stamps = {}
        for folder, _, names in os.walk(self._root):
            for path in (Path(folder, name) for name in names):
                name = path.relative_to(self._root).as_posix()
                if _PATH.fullmatch(name):
                    try:
                        stat = path.stat()
                    except OSError:  # gone meanwhile
                        continue
                    stamps[name] = (stat.st_mtime_ns, stat.st_size)
        return stamps

    def _read(self, stamps: Stamps) -> _Edition:
        bodies = {}
        for name in sorted(stamps):
            try:
                bodies[name] = (self._root / name).read_bytes()
            except OSError:  # gone meanwhile, or nobody may read it
                continue
        whole = hashlib.sha256()
        for name, body in bodies.items():
            whole.update(f'{name} {len(body)}\n'.encode() + body)
        digest = whole.hexdigest()[:16]

        def in_edition(named: re.Match[bytes]) -> bytes:
            attribute, address = named.groups()
            if address.decode() not in bodies:
                return named[0]
            return b'%s="v/%s/%s"' % (attribute, digest.encode(), address)
        if 'index.html' in bodies:
            bodies['index.html'] = _NAMED.sub(in_edition, bodies['index.html'])
        # What could not be read is looked for again the next time.
        return _Edition(digest, {name: stamps[name] for name in bodies},
                        {name: _file(name, body) for name, body in bodies.items()})


def _file(name: str, body: bytes) -> _File:
    kind = TYPES.get(Path(name).suffix.lower(), 'application/octet-stream')
    zipped = b''
    if kind.startswith(_COMPRESSIBLE) and len(body) > 500:
        zipped = gzip.compress(body, 9, mtime=0)
    return _File(body, zipped, f'"{hashlib.sha256(body).hexdigest()[:20]}"', kind)
