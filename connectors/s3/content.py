"""Reads a file's bytes while they pass: is it what it claims to be, which fields has it, how many rows."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.contract import Table
from connectors.errors import UnreadableFile

GZIP_MAGIC = b"\x1f\x8b"
RESEND = "Ask the sender to deliver the file again under the same name; the next run takes it. The others are loaded."
"""What to do about a file that cannot be read."""
_BOM = b"\xef\xbb\xbf"
_STEP = 1 << 20
"""Bytes unpacked at a time, so that a small file that unpacks to a huge one does not fill the memory."""
_LONGEST_LINE = 16 << 20


@dataclass(frozen=True)
class Content:
    """What a whole file held.

    Attributes:
        header: its field names (CSV), or all fields of the contract (JSON lines: each may occur).
        rows: exact count; None for CSV with quoted fields, where a line end may be data.
    """

    header: tuple[str, ...]
    rows: int | None


class Inspector:
    """Checks one file chunk by chunk: `feed` each chunk as stored, then `finish`.

    Raises:
        UnreadableFile: from either, naming the file and the reason.
    """

    def __init__(self, table: Table, key: str) -> None:
        self._table = table
        self._key = key
        self._unpacker: _Unpacker | None = None
        self._start = b""
        self._started = False
        self._tail = b""
        self._lines = 0
        self._quoted = False
        self.header: tuple[str, ...] | None = None
        """Field names of the first line or record, once it was seen."""

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the file."""
        if not self._started:
            chunk = self._start = self._start + chunk
            if len(chunk) < len(GZIP_MAGIC):
                return
            self._started = True
            if chunk.startswith(GZIP_MAGIC):
                self._unpacker = _Unpacker()
        if self._unpacker is None:
            self._read(chunk)
            return
        try:
            for piece in self._unpacker.unpack(chunk):
                self._read(piece)
        except zlib.error as error:
            raise self.unreadable(f"is a broken gzip ({error})") from None

    def finish(self) -> Content:
        """Say what the file held, now that all of it has passed."""
        if not self._started:
            self._read(self._start)
        if self._unpacker and not self._unpacker.is_whole:
            raise self.unreadable("is a gzip that ends early: its delivery was cut off")
        last = self._tail
        if last.strip():
            if self.header is not None:
                self._check_last(last)
            self._take(last)
        if self._table.format == "jsonl":
            return Content(self._table.fields, self._lines)
        if self.header is None:
            raise self.unreadable("is empty: not even a header line")
        return Content(self.header, None if self._quoted else self._lines - 1)

    def _read(self, text: bytes) -> None:
        text = self._tail + text
        end = text.rfind(b"\n") + 1
        self._tail = text[end:]
        if len(self._tail) > _LONGEST_LINE:
            raise self.unreadable("has no line end in 16 MB")
        if end:
            self._take(text[:end])

    def _take(self, lines: bytes) -> None:
        """Whole lines, but for the last one of the file, which may lack its line end."""
        if self.header is None:
            first = next((line for line in lines.split(b"\n") if line.strip()), None)
            if first is not None:
                self.header = self._fields_of(first.removeprefix(_BOM).rstrip(b"\r"))
        if b'"' in lines:
            self._quoted = True
        if b"\n\n" in lines or b"\n\r\n" in lines or lines[:1] in (b"\n", b"\r"):
            self._lines += sum(1 for line in lines.split(b"\n") if line.strip())
        else:
            self._lines += lines.count(b"\n") + (not lines.endswith(b"\n"))

    def _fields_of(self, line: bytes) -> tuple[str, ...]:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise self.unreadable("is not UTF-8 text") from None
        if "\0" in text:
            raise self.unreadable("is not UTF-8 text (it looks like UTF-16)")
        return self._csv_header(text) if self._table.format == "csv" else self._record_keys(text)

    def _csv_header(self, text: str) -> tuple[str, ...]:
        try:
            header = tuple(name.strip() for name in next(csv.reader([text], strict=True)))
        except (csv.Error, StopIteration) as error:
            raise self.unreadable(f"has no CSV header ({error})") from None
        missing = [f for f in self._key_fields() if f not in header]
        if missing:
            raise self.unreadable(f"lacks the key fields {', '.join(missing)}; its first line is {text[:120]!r}")
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled:
            raise self.unreadable(f"has more than one field named {', '.join(map(repr, doubled))}")
        return header

    def _record_keys(self, text: str) -> tuple[str, ...]:
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            hint = "a JSON array, not one record a line" if text.lstrip().startswith("[") else "not one record a line"
            raise self.unreadable(f"is {hint}; it begins with {text[:120]!r}")
        names = tuple(str(name) for name in record)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        missing = [f for f in self._key_fields() if f not in names]
        if missing:
            raise self.unreadable(f"lacks the key fields {', '.join(missing)} in its first record")
        return names

    def _check_last(self, line: bytes) -> None:
        """A last line without a line end may be whole, or where the delivery was cut off."""
        assert self.header is not None
        if self._table.format == "jsonl":
            try:
                json.loads(line)
            except ValueError:
                raise self.unreadable("ends in the middle of a record: its delivery was cut off") from None
        elif not self._quoted and b'"' not in line and line.count(b",") + 1 < len(self.header):
            raise self.unreadable("ends in the middle of a row: its delivery was cut off")

    def _key_fields(self) -> list[str]:
        return [self._table.column(name).field for name in self._table.primary_key]

    def unreadable(self, reason: str) -> UnreadableFile:
        """The error that says so of this file."""
        return UnreadableFile(
            f"{self._key} {reason}",
            remedy=RESEND,
            table=self._table.name,
            key=self._key,
        )


def fields_at_start(table: Table, key: str, start: bytes) -> tuple[str, ...]:
    """Field names in the first bytes of a file: of the CSV header, or of all JSON records that are whole in there.

    Raises:
        UnreadableFile: there is no header, no record, or not this format.
    """
    inspector = Inspector(table, key)
    try:
        text = b"".join(_Unpacker().unpack(start)) if start.startswith(GZIP_MAGIC) else start
    except zlib.error as error:
        raise inspector.unreadable(f"is a broken gzip ({error})") from None
    whole, end, rest = text.rpartition(b"\n")
    lines = whole if end else rest
    inspector.feed(lines + b"\n")
    if inspector.header is None:
        raise inspector.unreadable("is empty")
    if table.format == "csv":
        return inspector.header
    records = (json.loads(line) for line in lines.split(b"\n") if line.strip())
    return tuple(dict.fromkeys(str(name) for record in records for name in record))


class _Unpacker:
    """Gzip of one or more members, in steps of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    @property
    def is_whole(self) -> bool:
        """True when the last member ended with the right checksum."""
        return self._member.eof

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._member.eof:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                self._member = zlib.decompressobj(31)
            yield self._member.decompress(chunk, _STEP)
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
