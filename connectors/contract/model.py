"""The facts of a contract: tables, columns, types, rules. Immutable, no reading and no checking here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal


class DataType(StrEnum):
    """Column types of STG, by their BigQuery names. NUMERIC is exact: 38 digits, 9 of them after the point."""

    STRING = "STRING"
    INT64 = "INT64"
    NUMERIC = "NUMERIC"
    BOOL = "BOOL"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"


@dataclass(frozen=True)
class Column:
    """One STG column. `field` is its name at the source."""

    name: str
    type: DataType
    field: str
    description: str
    required: bool = False
    """True for key columns: a row without it goes to quarantine."""


@dataclass(frozen=True)
class QualityRule:
    """A condition (SQL valid in both warehouses) that every row must meet; others go to quarantine."""

    name: str
    expression: str


@dataclass(frozen=True)
class CompleteWhen:
    """How a sender says that a set of files is whole.

    Attributes:
        kind: `marker`: a file of that name in the folder (or `*.done`: beside each file, named after it), not older
            than the files; `manifest`: a JSON file in the folder that lists its files.
        name: name of the marker or manifest, without folder.
    """

    kind: Literal["marker", "manifest"]
    name: str


@dataclass(frozen=True)
class Expected:
    """Which files must come, by the date in their key. The file of a day is due on the next day.

    Attributes:
        every: `day`, or `weekday` for Monday to Friday.
        date: how the date is written in the key: `%Y`, `%m` and `%d` once each, as in `dt=%Y-%m-%d`.
        grace_days: how many days late a file may be.
        gap_days: so many missing days in a row are nothing unusual (holidays, days without usage).
    """

    every: Literal["day", "weekday"]
    date: str
    grace_days: int = 1
    gap_days: int = 0


@dataclass(frozen=True)
class Archive:
    """Where files go that are loaded, and after how many days there."""

    prefix: str
    days: int


@dataclass(frozen=True)
class FileRules:
    """How the files of a table are delivered.

    Attributes:
        delimiter, encoding: of CSV.
        stale_after: age of the newest file from which the source is stale: `error_after` of dbt's freshness.
    """

    delimiter: str = ","
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    complete_when: CompleteWhen | None = None
    expected: Expected | None = None
    archive: Archive | None = None
    stale_after: timedelta | None = None


@dataclass(frozen=True)
class Table:
    """One STG table and how it is extracted.

    Attributes:
        object: the source's object or table (`Account`, `transaction`); the key prefix for file sources.
        filter: a condition in the source's query language, ANDed to every query; None for all rows.
        cursor: column that moves when a row changes; None for file sources.
        deleted_flag: column that marks a soft-deleted row; None where the source has none.
        format: `csv`, `jsonl` or `parquet` for file sources, else None.
        files: how the files come; only of meaning for file sources.
    """

    source: str
    name: str
    description: str
    object: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    cursor: str | None = None
    filter: str | None = None
    deleted_flag: str | None = None
    partition_by: tuple[str, str] | None = None
    cluster_by: tuple[str, ...] = ()
    format: str | None = None
    quality: tuple[QualityRule, ...] = ()
    files: FileRules = FileRules()

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        return next(c for c in self.columns if c.name == name)

    @property
    def fields(self) -> tuple[str, ...]:
        """Source field names in column order: the SELECT list."""
        return tuple(c.field for c in self.columns)

    @property
    def cursor_field(self) -> str:
        """The cursor's name at the source. Only for tables that have one."""
        assert self.cursor is not None
        return self.column(self.cursor).field


@dataclass(frozen=True)
class Contract:
    """All STG tables."""

    tables: tuple[Table, ...]

    def of(self, source: str) -> tuple[Table, ...]:
        """The tables of one source, in file order."""
        return tuple(t for t in self.tables if t.source == source)

    def table(self, name: str) -> Table:
        """The table of that name; KeyError if there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)
