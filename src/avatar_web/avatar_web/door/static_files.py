# SPDX-License-Identifier: Apache-2.0
"""The files of the page: from one folder, by clean names, with ETag, compressed once."""

import asyncio
import gzip
import hashlib
import re
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


@dataclass(frozen=True)
class _File:
    stamp: tuple[int, int]
    body: bytes
    zipped: bytes
    etag: str
    type: str


class StaticFiles:
    """The folder `root`; a changed file is served changed, without a restart."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, _File] = {}

    async def serve(self, request: web.Request, name: str) -> web.Response:
        """Answer with a file; 404 for everything that is none."""
        file = None
        if len(name) <= 200 and _PATH.fullmatch(name):
            file = await asyncio.get_running_loop().run_in_executor(None, self._load, name)
        if file is None:
            raise web.HTTPNotFound
        headers = {
            'ETag': file.etag,
            # Asked again each time, answered "not modified": an update is seen at once.
            'Cache-Control': 'no-cache',
            'Vary': 'Accept-Encoding',
        }
        if file.etag in request.headers.get('If-None-Match', ''):
            return web.Response(status=304, headers=headers)
        headers['Content-Type'] = file.type
        body = file.body
        if file.zipped and 'gzip' in request.headers.get('Accept-Encoding', ''):
            headers['Content-Encoding'] = 'gzip'
            body = file.zipped
        return web.Response(body=body, headers=headers)

    def _load(self, name: str) -> _File | None:
        path = self._root / name
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            known = self._files.get(name)
            if known is not None and known.stamp == stamp:
                return known
            body = path.read_bytes()
        except OSError:
            self._files.pop(name, None)
            return None
        kind = TYPES.get(path.suffix.lower(), 'application/octet-stream')
        zipped = b''
        if kind.startswith(_COMPRESSIBLE) and len(body) > 500:
            zipped = gzip.compress(body, 9, mtime=0)
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        self._files[name] = _File(stamp, body, zipped, etag, kind)
        return self._files[name]
