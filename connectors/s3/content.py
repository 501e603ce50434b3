"""Reads a file's bytes while they pass: is it what it claims to be, which fields has it, how many rows."""

from __future__ import annotations

from collections.abc import Callable

from connectors.contract import Table
from connectors.errors import UnreadableFile
from connectors.s3.csv_text import CsvText
from connectors.s3.gzip_stream import GZIP_MAGIC, BrokenGzipError, Unpacker
from connectors.s3.json_records import JsonRecords
from connectors.s3.parquet_footer import ParquetFile
from connectors.s3.reading import Content, NotAsDeclaredError, Reader

RESEND = "Ask the sender to deliver the file again under the same name; the next run takes it. The others are loaded."
"""What to do about a file that cannot be read."""
_STRANGERS = {
    b"PK\x03\x04": "a zip archive (or Excel)",
    b"BZh91AY": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"Obj\x01": "an Avro file",
    b"PAR1": "a Parquet file",
}
_READERS: dict[str, Callable[[Table], Reader]] = {"csv": CsvText, "jsonl": JsonRecords, "parquet": ParquetFile}


class Inspector:
    """Checks one file chunk by chunk: `feed` each chunk as stored, then `finish`.

    Raises:
        UnreadableFile: from either, naming the file and the reason.
    """

    def __init__(self, table: Table, key: str) -> None:
        self._table = table
        self._key = key
        self._unpacker: Unpacker | None = None
        self._start = b""
        self._started = False
        self._known = False
        self._reader = _READERS[table.format or "csv"](table)

    @property
    def fields(self) -> tuple[str, ...]:
        """Field names seen so far; of Parquet only at the end."""
        return self._reader.fields

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the file."""
        if not self._started:
            chunk = self._start = self._start + chunk
            if len(chunk) < len(GZIP_MAGIC):
                return
            self._begin()
        self._take(chunk)

    def finish(self) -> Content:
        """Say what the file held, now that all of it has passed."""
        if not self._started:
            self._begin()
            self._take(self._start)
        if self._unpacker and not self._unpacker.is_whole:
            raise self.unreadable("is a gzip that ends early: its delivery was cut off")
        try:
            return self._reader.finish()
        except NotAsDeclaredError as error:
            raise self.unreadable(error.reason, error.remedy) from None

    def unreadable(self, reason: str, remedy: str | None = None) -> UnreadableFile:
        """The error that says so of this file."""
        cause = f"{self._key} {reason}"
        return UnreadableFile(cause, remedy=remedy or RESEND, table=self._table.name, key=self._key)

    def _begin(self) -> None:
        self._started = True
        if self._start.startswith(GZIP_MAGIC) and self._table.format != "parquet":
            self._unpacker = Unpacker()

    def _take(self, chunk: bytes) -> None:
        try:
            for piece in self._unpacker.unpack(chunk) if self._unpacker else (chunk,):
                self._refuse_strangers(piece)
                self._reader.feed(piece)
        except BrokenGzipError as error:
            raise self.unreadable(f"is a broken gzip ({error})") from None
        except NotAsDeclaredError as error:
            raise self.unreadable(error.reason, error.remedy) from None

    def _refuse_strangers(self, piece: bytes) -> None:
        if self._known or not piece:
            return
        self._known = True
        if self._unpacker and piece.startswith(GZIP_MAGIC):
            raise NotAsDeclaredError("is gzipped twice", "Ask the sender to pack the file once; the others are loaded.")
        kind = next((name for magic, name in _STRANGERS.items() if piece.startswith(magic)), None)
        if kind and not (kind == "a Parquet file" and self._table.format == "parquet"):
            raise NotAsDeclaredError(
                f"is {kind}, not {self._table.format}",
                f"Ask the sender for {self._table.format} (gzip is fine, Parquet excepted), or correct `format` in the "
                "contract. The others are loaded.",
            )


def fields_at_start(table: Table, key: str, start: bytes, *, whole: bool) -> tuple[str, ...]:
    """Field names in the first bytes of a text file: of the CSV header, or of the JSON records that are whole in there.

    Args:
        whole: the bytes are all there are.

    Raises:
        UnreadableFile: there is no header, no record, or not this format.
    """
    inspector = Inspector(table, key)
    inspector.feed(start)
    if whole:
        inspector.finish()
    if not inspector.fields:
        raise inspector.unreadable("is empty" if whole else f"has no whole line in its first {len(start)} bytes")
    return inspector.fields


__all__ = ["GZIP_MAGIC", "RESEND", "Content", "Inspector", "fields_at_start"]
