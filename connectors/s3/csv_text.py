"""CSV while it streams by: header, row count where line ends are rows, ragged rows, text in the declared encoding."""

from __future__ import annotations

import codecs
import csv

from connectors.contract import Table
from connectors.s3.reading import Content, NotAsDeclaredError, doubled, missing_keys

LONGEST_LINE = 16 << 20
BOM = b"\xef\xbb\xbf"


class CsvText:
    """Reads one CSV file; see `Reader`. A file with quotes is counted by the warehouse, which reads it anyway."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._delimiter = table.files.delimiter.encode()
        self._decode = codecs.getincrementaldecoder(table.files.encoding)().decode
        self._header: tuple[str, ...] | None = None
        self._tail = b""
        self._lines = 0
        self._quoted = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the header, once it was seen."""
        return self._header or ()

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes."""
        text = self._tail + piece
        end = text.rfind(b"\n") + 1
        self._tail = text[end:]
        if len(self._tail) > LONGEST_LINE:
            raise NotAsDeclaredError("has no line end in 16 MB")
        if end:
            self._take(text[:end])
        self._check_encoding(piece)

    def finish(self) -> Content:
        """Say what the file held."""
        last = self._tail
        if last.strip():
            self._take(last, cut=True)
        if self._header is None:
            raise NotAsDeclaredError("is empty: not even a header line")
        return Content(self._header, None if self._quoted and self._lines > 1 else self._lines - 1)

    def _take(self, lines: bytes, *, cut: bool = False) -> None:
        """Whole lines; with `cut` the last one of the file, without a line end."""
        if self._header is None:
            self._header = self._names(lines.split(b"\n", 1)[0])
        self._quoted = self._quoted or b'"' in lines
        if b"\n\n" in lines or b"\n\r\n" in lines or lines[:1] in (b"\n", b"\r"):
            rows = sum(1 for line in lines.split(b"\n") if line.strip())
        else:
            rows = lines.count(b"\n") + (not lines.endswith(b"\n"))
        if not self._quoted and lines.count(self._delimiter) != rows * (len(self._header) - 1):
            self._refuse_ragged(lines, cut=cut)
        self._lines += rows

    def _names(self, line: bytes) -> tuple[str, ...]:
        try:
            text = line.removeprefix(BOM).rstrip(b"\r").decode(self._table.files.encoding)
        except UnicodeDecodeError:
            raise self._not_text("is not UTF-8 text") from None
        if "\0" in text:
            raise self._not_text("is not UTF-8 text (it looks like UTF-16)")
        if not text.strip():
            raise NotAsDeclaredError("begins with an empty line: its first line must name the fields")
        try:
            cells = next(csv.reader([text], strict=True, delimiter=self._table.files.delimiter))
        except (csv.Error, StopIteration) as error:
            raise NotAsDeclaredError(f"has no CSV header ({error})") from None
        names = tuple(name.strip() or f"column_{place}" for place, name in enumerate(cells, 1))
        if missing := missing_keys(self._table, names):
            raise NotAsDeclaredError(
                f"lacks the key fields {', '.join(missing)}; its first line is {text[:120]!r}",
                "If the fields stand there with another separator, set `delimiter` in the contract; otherwise ask the "
                "sender to deliver the file again under the same name. The others are loaded.",
            )
        if again := doubled(names):
            raise NotAsDeclaredError(f"has more than one field named {', '.join(map(repr, sorted(set(again))))}")
        return names

    def _refuse_ragged(self, lines: bytes, *, cut: bool) -> None:
        assert self._header is not None
        wanted = len(self._header)
        number = self._lines
        for line in lines.split(b"\n"):
            if not line.strip():
                continue
            number += 1
            fields = line.count(self._delimiter) + 1
            if fields < wanted and cut:
                raise NotAsDeclaredError("ends in the middle of a row: its delivery was cut off")
            if fields != wanted:
                shown = line[:80].decode(errors="replace")
                raise NotAsDeclaredError(
                    f"is ragged: line {number} has {fields} fields, the header {wanted}; it begins with {shown!r}"
                )

    def _check_encoding(self, piece: bytes) -> None:
        try:
            self._decode(piece)
        except UnicodeDecodeError:
            raise self._not_text(f"is not UTF-8 text (at line {self._lines} or a little before)") from None

    def _not_text(self, reason: str) -> NotAsDeclaredError:
        return NotAsDeclaredError(
            reason,
            "Ask the sender for UTF-8, or set `encoding: latin-1` in the contract if that is what it is. "
            "The others are loaded.",
        )
