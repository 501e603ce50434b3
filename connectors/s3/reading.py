"""What the readers of the file formats share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connectors.contract import Table


@dataclass(frozen=True)
class Content:
    """What a whole file held.

    Attributes:
        header: its field names: in column order (CSV, Parquet), or as they first occurred (JSON lines).
        rows: exact count; None for CSV with quoted fields, where a line end may be data.
        types: Parquet's type by field.
    """

    header: tuple[str, ...]
    rows: int | None
    types: Mapping[str, str] = field(default_factory=dict[str, str])


class NotAsDeclaredError(Exception):
    """The bytes are not the format, or not the table. Never leaves this package.

    Args:
        reason: continues a sentence that starts with the file's key.
        remedy: what to do; None for a new delivery.
    """

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class Reader(Protocol):
    """Reads one file of one format, unpacked, chunk by chunk. Raises NotAsDeclaredError."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Field names seen so far."""
        ...

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes."""
        ...

    def finish(self) -> Content:
        """Say what the file held."""
        ...


def missing_keys(table: Table, fields: Iterable[str]) -> list[str]:
    """The key fields that are not among `fields`, whose capitals do not matter."""
    present = {field.casefold() for field in fields}
    wanted = (table.column(name).field for name in table.primary_key)
    return [field for field in wanted if field.casefold() not in present]


def doubled(fields: Iterable[str]) -> list[str]:
    """Names that occur more than once, capitals aside: the warehouse could not tell them apart."""
    seen: set[str] = set()
    again: list[str] = []
    for name in fields:
        if name.casefold() in seen:
            again.append(name)
        seen.add(name.casefold())
    return again
