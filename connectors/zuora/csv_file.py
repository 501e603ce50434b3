"""A gzipped CSV file, looked through while it passes: its header, its rows, and whether it is whole."""

from __future__ import annotations

import csv
import zlib

from connectors.errors import TruncatedBody, UnreadableFile

_ALL_BUT_QUOTES_AND_BREAKS = bytes(b for b in range(256) if b not in b'"\n')
_LONGEST_HEADER = 1 << 20


class GzipCsv:
    """Feed it the file's bytes as stored, then ask. Values may hold line breaks; blank lines count as rows.

    Attributes:
        rows: records after the header so far.
    """

    def __init__(self) -> None:
        self._gzip = zlib.decompressobj(wbits=31)
        self._head = b""
        self._header: tuple[str, ...] | None = None
        self._in_quotes = False
        self._breaks = 0
        self._last = b""
        self._fed = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises UnreadableFile if they are no gzip."""
        while chunk:
            if self._gzip.eof:
                self._gzip = zlib.decompressobj(wbits=31)
            self._fed = True
            try:
                self._look_at(self._gzip.decompress(chunk))
            except zlib.error as error:
                raise UnreadableFile(f"the file is no gzip ({error}); it starts with {chunk[:80]!r}") from None
            chunk = self._gzip.unused_data

    @property
    def header(self) -> tuple[str, ...]:
        """The cells of the first line; empty for an empty file. Raises UnreadableFile."""
        if self._header is None:
            try:
                text = self._head.decode("utf-8-sig")
                self._header = tuple(next(csv.reader([text.strip("\r\n")]), ()))
            except (UnicodeDecodeError, csv.Error) as error:
                raise UnreadableFile(f"the file's first line is no CSV header ({error})") from None
        return self._header

    @property
    def rows(self) -> int:
        """Records after the header, the last one too if no line break ends it."""
        lines = self._breaks + (self._last not in (b"", b"\n"))
        return max(0, lines - 1)

    def finish(self) -> None:
        """Raise TruncatedBody unless the file ended where gzip says it ends."""
        if not self._fed or not self._gzip.eof:
            raise TruncatedBody("the gzip file ended early")

    def _look_at(self, data: bytes) -> None:
        if not data:
            return
        if b"\n" not in self._head and len(self._head) < _LONGEST_HEADER:
            end = data.find(b"\n")
            self._head += data if end < 0 else data[: end + 1]
        self._last = data[-1:]
        marks = data.translate(None, _ALL_BUT_QUOTES_AND_BREAKS)
        # Two quotes in a row leave what follows inside or outside as it was; what stays are values with line breaks.
        marks = ((b'"' if self._in_quotes else b"") + marks).replace(b'""', b"")
        pieces = marks.split(b'"')
        self._in_quotes = len(pieces) % 2 == 0
        self._breaks += sum(len(piece) for piece in pieces[::2])
