"""Rows of the input tables of a project, as what two builds are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb

from split.facts import Segment

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """One input table: DuckDB types by column, and rows of as many values, or a CSV or Parquet file that holds them."""

    columns: Mapping[str, str]
    rows: tuple[Row, ...] = ()
    file: Path | None = None


@dataclass(frozen=True)
class DataSet:
    """Input tables by `source.table`.

    Attributes:
        segment: whose rows it holds; those of seeds that belong to the other are left out.
        undeclared: values in it that the facts do not declare, as `table.column = 'value'`.
    """

    name: str
    tables: Mapping[str, Table]
    segment: Segment | Literal["both"] = "commercial"
    undeclared: tuple[str, ...] = ()
    assumed: tuple[str, ...] = field(default=())
    """Types that nothing declares and that were guessed, as `table.column: type`."""

    def write(self, file: Path) -> None:
        """Write the tables into a new DuckDB file, each under its own name in schema `main`."""
        with duckdb.connect(str(file)) as connection:
            for name, table in self.tables.items():
                if table.file is not None:
                    read = file_rows(table.file, table.columns)
                    connection.execute(f"CREATE TABLE {quoted(name)} AS FROM {read}")
                    continue
                columns = ", ".join(f"{quoted(c)} {kind}" for c, kind in table.columns.items())
                connection.execute(f"CREATE TABLE {quoted(name)} ({columns})")
                if table.rows:
                    places = ", ".join("?" * len(table.columns))
                    insert = f"INSERT INTO {quoted(name)} VALUES ({places})"  # noqa: S608 - names are quoted
                    connection.executemany(insert, table.rows)


def file_rows(file: Path, types: Mapping[str, str]) -> str:
    """What DuckDB reads the rows of a file with; columns that are not in `types` get the type that they look like.

    The shape of a CSV file is said, not guessed: a guess takes the first line with one cell too many for the header.
    """
    path = "'" + str(file).replace("'", "''") + "'"
    if file.suffix == ".parquet":
        return f"read_parquet({path})"
    shape = "header = true, skip = 0, delim = ',', quote = '\"', escape = '\"', nullstr = ''"
    known = ", ".join("'" + name.replace("'", "''") + f"': '{kind}'" for name, kind in types.items())
    return f"read_csv({path}, {shape}" + (f", types = {{{known}}})" if known else ")")


def quoted(name: str) -> str:
    """An identifier as DuckDB reads it."""
    return '"' + name.replace('"', '""') + '"'
