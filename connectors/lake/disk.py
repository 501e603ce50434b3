"""A disk that takes no more is one clear error, wherever the lake writes to one."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator
from pathlib import Path

from connectors.errors import StorageFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


@contextlib.contextmanager
def room_for(path: Path) -> Generator[None]:
    """Raise StorageFull, naming the path, when the block cannot write there."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StorageFull(f"cannot write {path}: {error.strerror}", path=str(path)) from error


__all__ = ["room_for"]
