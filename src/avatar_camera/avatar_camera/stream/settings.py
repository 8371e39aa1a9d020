# SPDX-License-Identifier: Apache-2.0
"""What the streamer is told, and the passwords made of it."""

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from avatar_camera.stream.device import FOLDERS
from avatar_camera.stream.mediamtx import HOST, PATH
from avatar_camera.stream.recorder import Quota
from avatar_node import media_token

TOPIC, DEVICE = 'topic', 'device'
AUTO = 'auto'


@dataclass(frozen=True)
class Settings:
    """Profile and fps may change while it runs."""

    profile: str = '480p'
    fps: int = 20
    encoder: str = AUTO
    source: str = TOPIC
    device: str = ''
    by_id_dir: Path = FOLDERS[0]
    device_format: str = 'auto'
    rtsp_port: int = 8554
    api_port: int = 9997
    secret: str = ''
    state_dir: Path = Path('.')
    quota: Quota = field(default_factory=Quota)

    def token(self, action: str, path: str) -> str:
        """Return a password that is good once."""
        if not self.secret:
            return 'none'  # whoever started us without a secret runs a server without doors
        token: str = media_token.make(
            self.secret, action, path, time.monotonic(), secrets.token_bytes(8))
        return token

    def url(self, action: str, user: str) -> str:
        """Return where the picture is published and read, good once."""
        return f'rtsp://{user}:{self.token(action, PATH)}@{HOST}:{self.rtsp_port}/{PATH}'
