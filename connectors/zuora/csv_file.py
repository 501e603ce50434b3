"""A gzipped CSV file, looked through while it passes: its header, its rows, and whether it is whole and rectangular."""

from __future__ import annotations

import csv
import zlib

from connectors.errors import TruncatedBody, UnreadableFile

_NO_MARKS = bytes(b for b in range(256) if b not in b'",\n')
_LONGEST_HEADER = 1 << 20


class GzipCsv:
    """Feed it the file's bytes as stored, then ask. Values may hold line breaks; blank lines count as rows.

    Args:
        name: what errors call the file.

    Attributes:
        rows: records after the header so far.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._gzip = zlib.decompressobj(wbits=31)
        self._head = b""
        self._header: tuple[str, ...] | None = None
        self._in_quotes = False
        self._commas: int | None = None
        self._open = b""
        self._records = 0
        self._inner_breaks = 0
        self._last = b""
        self._fed = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises UnreadableFile if they are no gzip, or a record has too few or many cells."""
        while chunk:
            if self._gzip.eof:
                self._gzip = zlib.decompressobj(wbits=31)
            self._fed = True
            try:
                data = self._gzip.decompress(chunk)
            except zlib.error as error:
                raise UnreadableFile(f"{self._name} is no gzip ({error}); it starts with {chunk[:80]!r}") from None
            self._look_at(data)
            chunk = self._gzip.unused_data

    @property
    def header(self) -> tuple[str, ...]:
        """The cells of the first line; empty for an empty file. Raises UnreadableFile."""
        if self._header is None:
            try:
                text = self._head.decode("utf-8-sig")
                self._header = tuple(next(csv.reader([text.strip("\r\n")]), ()))
            except (UnicodeDecodeError, csv.Error) as error:
                raise UnreadableFile(f"{self._name} has no CSV header in its first line ({error})") from None
        return self._header

    @property
    def rows(self) -> int:
        """Records after the header, the last one too if no line break ends it."""
        return max(0, self._records + self._is_open - 1)

    def finish(self) -> None:
        """Raise TruncatedBody unless the file ended where gzip says it ends, UnreadableFile inside a record."""
        if not self._fed or not self._gzip.eof:
            raise TruncatedBody(f"{self._name} ended early")
        if self._in_quotes:
            raise UnreadableFile(f"{self._name} ends inside a quoted value")
        if self._is_open:
            self._check(self._open + b"\n", [b"\n"])

    @property
    def _is_open(self) -> bool:
        return self._last not in (b"", b"\n")

    def _look_at(self, data: bytes) -> None:
        if not data:
            return
        if b"\n" not in self._head and len(self._head) < _LONGEST_HEADER:
            end = data.find(b"\n")
            self._head += data if end < 0 else data[: end + 1]
        self._last = data[-1:]
        marks = data.translate(None, _NO_MARKS)
        # Two quotes in a row leave what follows inside or outside as it was.
        marks = ((b'"' if self._in_quotes else b"") + marks).replace(b'""', b"")
        pieces = marks.split(b'"')
        self._in_quotes = len(pieces) % 2 == 0
        structure = self._open + b"".join(pieces[::2])
        end = structure.rfind(b"\n") + 1
        self._check(structure[:end], pieces)
        self._records += structure.count(b"\n", 0, end)
        self._open = structure[end:]
        self._inner_breaks += sum(piece.count(b"\n") for piece in pieces[1::2])

    def _check(self, structure: bytes, pieces: list[bytes]) -> None:
        """Raise UnreadableFile unless every record is as wide as the header.

        Args:
            structure: whole records, of which only the commas and line breaks outside of quotes are left.
            pieces: the same as it arrived, outside and inside of quotes in turn, to find the line in the file.
        """
        if self._commas is None:
            if b"\n" not in structure:
                return
            self._commas = structure.index(b"\n")
        if structure == (b"," * self._commas + b"\n") * structure.count(b"\n"):
            return
        widths = [len(record) for record in structure.removesuffix(b"\n").split(b"\n")]
        place, width = next((i, width) for i, width in enumerate(widths) if width != self._commas)
        line = self._line_of(place, pieces)
        raise UnreadableFile(
            f"{self._name} is not rectangular: the record that ends in line {line} has {width + 1} cells, "
            f"the header has {self._commas + 1}",
            line=line,
        )

    def _line_of(self, place: int, pieces: list[bytes]) -> int:
        """The line of the file in which a record ends."""
        passed, inner = 0, self._inner_breaks
        for i, piece in enumerate(pieces):
            breaks = piece.count(b"\n")
            if i % 2:
                inner += breaks
            elif passed + breaks > place:
                break
            else:
                passed += breaks
        return self._records + place + 1 + inner
