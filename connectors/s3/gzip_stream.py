"""Gzip while it streams by: of one or more members, in steps of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

GZIP_MAGIC = b"\x1f\x8b"
_STEP = 1 << 20
"""Bytes unpacked at a time, so that a small file that unpacks to a huge one does not fill the memory."""


class BrokenGzipError(Exception):
    """Not gzip, or damaged."""


class Unpacker:
    """Unpacks chunk after chunk."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    @property
    def is_whole(self) -> bool:
        """True when the last member ended with the right checksum."""
        return self._member.eof

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """The unpacked bytes of the next chunk. Raises BrokenGzipError."""
        try:
            while chunk:
                if self._member.eof:
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    self._member = zlib.decompressobj(31)
                yield self._member.decompress(chunk, _STEP)
                chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise BrokenGzipError(str(error)) from None
