"""Real rows instead of made-up ones: a folder with one CSV or Parquet file for each input table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb

from split.dbt.build import Parsed
from split.facts import Facts, TableFacts
from split.verify.column_values import duckdb_type
from split.verify.data_set import DataSet, Table, file_rows

_MOST = 20
"""Rows that a refusal lists."""


class ExtractRefused(ValueError):
    """An extract is not what it has to be: missing, unreadable, or not Commercial-only. Names file, line and column."""


def read_extracts(folder: Path, parsed: Parsed, facts: Facts, *, dialect: str = "duckdb") -> DataSet:
    """The files `source.table.csv` or `source.table.parquet` of a folder.

    Raises:
        ExtractRefused: a file of the folder belongs to no table, cannot be read, or has Enterprise rows.
    """
    tables: dict[str, Table] = {}
    for file in sorted(folder.glob("*.csv")) + sorted(folder.glob("*.parquet")):
        source = parsed.sources.get(file.stem)
        if source is None:
            known = ", ".join(parsed.sources)
            raise ExtractRefused(f"{file}: the project reads no table {file.stem}. It reads: {known}.")
        types = {c: k for c, t in source.columns.items() if t and (k := duckdb_type(t, dialect)) is not None}
        columns = _described(file, types)
        about = facts.of(source.name)
        if about is not None and (found := list(_enterprise_rows(file, columns, about))):
            more = "" if len(found) <= _MOST else f" and {len(found) - _MOST} more"
            raise ExtractRefused("; ".join(found[:_MOST]) + more + ". Extract Commercial rows only.")
        tables[source.name] = Table(columns, file=file)
    return DataSet(folder.name, tables)


def _described(file: Path, types: Mapping[str, str]) -> dict[str, str]:
    """The columns of a file, with their types. Raises ExtractRefused."""
    try:
        with duckdb.connect() as connection:
            seen = connection.execute(f"DESCRIBE FROM {file_rows(file, {})}").fetchall()
            given = {c: k for c, k in types.items() if c in {row[0] for row in seen}}
            read = file_rows(file, given)
            connection.execute(f"SELECT count(COLUMNS(*)) FROM {read}")  # noqa: S608 - a path and declared types
            return {row[0]: row[1] for row in connection.execute(f"DESCRIBE FROM {read}").fetchall()}
    except duckdb.Error as error:
        raise ExtractRefused(f"{file}: {str(error).splitlines()[0]}") from error


def _enterprise_rows(file: Path, columns: Iterable[str], known: TableFacts) -> Iterator[str]:
    """Each row with an Enterprise value: file, number, column, value."""
    gone = {c.lower(): {str(v) for v in f.enterprise} for c, f in known.columns.items()}
    for number, row in _rows(file, columns):
        if known.only == "enterprise":
            yield f"{file}, row {number}: the table holds Enterprise rows only"
        for column, value in row.items():
            if value in gone.get(column.lower(), ()):
                yield f"{file}, row {number}: {column} is {value!r}, a value of Enterprise"


def _rows(file: Path, columns: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """Rows as text with their 1-based number."""
    with duckdb.connect() as connection:
        read = connection.execute(f"FROM {file_rows(file, dict.fromkeys(columns, 'VARCHAR'))}")
        names = [column[0] for column in read.description or ()]
        number = 0
        while batch := read.fetchmany(10_000):
            for cells in batch:
                number += 1
                yield number, {n: None if v is None else str(v) for n, v in zip(names, cells, strict=True)}
