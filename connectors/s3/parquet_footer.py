"""Parquet while it streams by: the footer says fields, types and rows (Apache Parquet, "File Format")."""

from __future__ import annotations

import io
from collections import deque
from typing import Any

from connectors.contract import Column, DataType, Table
from connectors.s3.reading import Content, NotAsDeclaredError, doubled, missing_keys

MAGIC = b"PAR1"
LONGEST_FOOTER = 32 << 20
_TAIL = 8
"""Bytes after the footer: its length and the magic."""


class ParquetFile:
    """Reads one Parquet file; see `Reader`. Keeps the end of the file, where the footer is."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._size = 0
        self._content: Content | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns; only after `finish`."""
        return self._content.header if self._content else ()

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes."""
        if self._size < len(MAGIC):
            start = b"".join(self._kept) + piece
            if not start.startswith(MAGIC[: len(start)]):
                raise NotAsDeclaredError(f"is no Parquet file; it begins with {start[:40]!r}")
        self._size += len(piece)
        self._kept.append(piece)
        self._kept_bytes += len(piece)
        while self._kept_bytes - len(self._kept[0]) > LONGEST_FOOTER:
            self._kept_bytes -= len(self._kept.popleft())

    def finish(self) -> Content:
        """Say what the file held."""
        self._content = described(self._table, b"".join(self._kept), self._size)
        return self._content


def footer_bytes(end: bytes) -> int:
    """How many bytes at the end of a file hold the whole footer. Raises NotAsDeclaredError: it is no Parquet file."""
    if len(end) < _TAIL or end[-4:] != MAGIC:
        if end[-4:] == b"PARE":
            raise NotAsDeclaredError("is an encrypted Parquet file", "Ask the sender for plain Parquet.")
        raise NotAsDeclaredError("is a Parquet file without its end: its delivery was cut off")
    return int.from_bytes(end[-_TAIL:-4], "little") + _TAIL


def described(table: Table, end: bytes, size: int) -> Content:
    """What the footer says. Raises NotAsDeclaredError.

    Args:
        end: the last bytes of the file, the footer among them.
        size: of the whole file.
    """
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] # slow to import, and only Parquet needs it
    from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]

    if not size:
        raise NotAsDeclaredError("is empty")
    wanted = footer_bytes(end)
    if wanted > min(len(end), size):
        raise NotAsDeclaredError(f"has a Parquet footer of {wanted} bytes, more than there are")
    read: Any = parquet.read_metadata  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    try:
        # The reader takes the footer for a file of its own: it looks at nothing else.
        metadata = read(io.BytesIO(MAGIC + end[-wanted:]))
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise NotAsDeclaredError(f"has a broken Parquet footer ({str(error).splitlines()[0][:120]})") from None
    types = {str(field.name): str(field.type) for field in schema}
    names = tuple(str(name) for name in schema.names)
    if missing := missing_keys(table, names):
        raise NotAsDeclaredError(f"lacks the key fields {', '.join(missing)}; it has {', '.join(names)[:200]}")
    if again := doubled(names):
        raise NotAsDeclaredError(f"has more than one field named {', '.join(map(repr, sorted(set(again))))}")
    return Content(names, int(metadata.num_rows), types)


def fits(parquet_type: str, column: Column) -> bool:
    """Whether every value of a Parquet type (by Arrow's name) fits the column."""
    whole = parquet_type in {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}
    match column.type:
        case DataType.STRING:
            return True
        case DataType.INT64:
            return whole
        case DataType.NUMERIC:
            return whole or parquet_type == "uint64" or _fits_numeric(parquet_type)
        case DataType.BOOL:
            return parquet_type == "bool"
        case DataType.DATE:
            return parquet_type == "date32[day]"
        case DataType.TIMESTAMP:
            return parquet_type.startswith(("timestamp[s", "timestamp[ms", "timestamp[us", "date32"))


def _fits_numeric(parquet_type: str) -> bool:
    if not parquet_type.startswith("decimal128("):
        return False
    digits, scale = (int(n) for n in parquet_type.removeprefix("decimal128(").rstrip(")").split(","))
    return 0 <= scale <= 9 and digits - scale <= 29
