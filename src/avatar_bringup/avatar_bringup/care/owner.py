# SPDX-License-Identifier: Apache-2.0
"""Root acting as the owner of the state folder, who has to be able to read what is written."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def acting_as_owner(folder: Path) -> Iterator[None]:
    """
    Be the owner of `folder` for a while, where we are root; else, or where it is root's, nothing.

    What is read then is no more than the owner may read, whatever links lie there.
    """
    about = folder.stat() if folder.exists() else None
    if about is None or os.geteuid() != 0 or about.st_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(about.st_gid)
    os.seteuid(about.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(groups)
