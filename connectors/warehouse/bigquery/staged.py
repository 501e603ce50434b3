"""One batch as one Parquet file: what DuckDB read of it, typed, counted and checked, for a load job.

The file holds four kinds of lines (`_kind`): `row` (contract columns, `_version`, `_deleted`, `_deleted_at`, `_sparse`,
`_misfit`, `_lacks`, for files `_file` and `_raw`, and a number `_row`; of rows with one key only the newest, of files
the newest in each), `misfit`
(an entry for the quarantine), `delete` (a key that the source reports deleted, `_version` is when) and `key` (a key
that lives, with its version). So one load job brings the whole batch, and columns that a kind does not have cost
nothing.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors.contract import DataType, Table
from connectors.warehouse import quarantine
from connectors.warehouse.bury import DELETES, KEYS, Bury
from connectors.warehouse.casting import DUCKDB_TYPES
from connectors.warehouse.ddl import has_files
from connectors.warehouse.merge import STAGE, Merge
from connectors.warehouse.reading import READ_ERRORS, Reading
from connectors.warehouse.sql import name, text

MISFIT_COLUMNS = {
    "part": DataType.STRING, "reason": DataType.STRING, "column_name": DataType.STRING, "raw_text": DataType.STRING,
    "row_json": DataType.STRING, "row_key": DataType.STRING, "row_version": DataType.TIMESTAMP,
    "identity": DataType.STRING,
}  # fmt: skip


@dataclass(frozen=True)
class Staged:
    """What the file holds.

    Attributes:
        read, misfits: rows of the batch, and those of them that do not fit.
        outdone: rows that are left out because the batch (of files: the file) has a newer one of the key.
        fitting: rows that are left and fit.
        lines: lines of the file.
        content: digest of what the lines say, whatever their order.
        lacks: columns that a part does not have, one entry per distinct set.
        repeated: several rows may have one key: each of another file.
    """

    read: int
    misfits: int
    outdone: int
    fitting: int
    lines: int
    content: str
    lacks: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    has_deletes: bool
    has_keys: bool
    repeated: bool


def schema(table: Table) -> dict[str, DataType]:
    """Columns of the file, with their types."""
    columns = {"_kind": DataType.STRING, "_row": DataType.INT64}
    columns |= {c.name: c.type for c in table.columns}
    columns |= {"_deleted": DataType.BOOL, "_deleted_at": DataType.TIMESTAMP}
    if has_files(table):
        columns |= {"_file": DataType.STRING, "_raw": DataType.STRING}
    columns |= {"_version": DataType.TIMESTAMP, "_sparse": DataType.BOOL, "_misfit": DataType.INT64}
    columns |= {"_lacks": DataType.INT64}
    return columns | {f"_misfit_{column}": of for column, of in MISFIT_COLUMNS.items()}


def stage(reading: Reading, path: Path, *, observed: datetime, at: datetime) -> Staged:
    """Read the batch, check it and write the file.

    Raises CountMismatch, UnreadableFile, TooManyMisfits.
    """
    reading.check_gzip()
    try:
        return _stage(reading, path, observed=observed, at=at)
    except READ_ERRORS as error:
        raise reading.blamed(error) from error


def _stage(reading: Reading, path: Path, *, observed: datetime, at: datetime) -> Staged:
    run, rows, table = reading.run, reading.rows, reading.table
    merge = Merge(table, reading.manifest, rows.columns, rows.lacks, kept={}, gone_by=None, loaded_at=at)
    run(merge.stage(rows.select(marked=False)))
    read, misfits = run(merge.count_stage())[0]
    reading.check_count(read)
    reading.check_misfits(misfits, read)
    if misfits:
        run(quarantine.collect(rows.quarantine(), table, reading.manifest.batch_id, observed=observed, at=at))
    repeated = run(merge.find_repeated())[0][0]
    outdone = run(merge.keep_newest())[0][0] if repeated else 0
    reading.check_repeats(outdone, read)
    bury = Bury(merge)
    if reading.has_keys:
        reading.stage_keys(bury)
    has_deletes = reading.stage_deletes(bury)
    parts = [
        f"SELECT {_nulls(table)} WHERE FALSE",  # every file has every column
        f"SELECT 'row' AS _kind, rowid AS _row, {_typed(_row_columns(table))} FROM {STAGE}",
    ]
    if misfits:
        columns = ", ".join(f"{_instant(c, of)} AS _misfit_{c}" for c, of in MISFIT_COLUMNS.items())
        parts.append(f"SELECT 'misfit' AS _kind, {columns} FROM {quarantine.MISFITS}")
    if has_deletes:
        parts.append(f"SELECT 'delete' AS _kind, {_keys(table)}, timezone('UTC', _at) AS _version FROM {DELETES}")
    if reading.has_keys:
        parts.append(f"SELECT 'key' AS _kind, {_keys(table)}, timezone('UTC', _version) AS _version FROM {KEYS}")
    lines = run(f"COPY ({' UNION ALL BY NAME '.join(parts)}) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd)")
    file = f"read_parquet({text(str(path))})"
    content = run(f"SELECT sum(hash(x)::HUGEINT) FROM (SELECT * EXCLUDE (_row) FROM {file}) x")[0][0]
    return Staged(
        read, misfits, outdone, read - misfits - outdone, lines[0][0], str(content), rows.lacks, rows.columns,
        has_deletes, reading.has_keys, bool(repeated),
    )  # fmt: skip


def _row_columns(table: Table) -> Mapping[str, DataType]:
    own = schema(table)
    return {c: of for c, of in own.items() if c not in ("_kind", "_row") and not c.startswith("_misfit_")}


def _nulls(table: Table) -> str:
    types = DUCKDB_TYPES | {DataType.TIMESTAMP: "TIMESTAMPTZ"}
    return ", ".join(f"CAST(NULL AS {types[of]}) AS {name(c)}" for c, of in schema(table).items())


def _typed(columns: Mapping[str, DataType]) -> str:
    return ", ".join(f"{_instant(name(c), of)} AS {name(c)}" for c, of in columns.items())


def _keys(table: Table) -> str:
    return _typed({k: table.column(k).type for k in table.primary_key})


def _instant(column: str, of: DataType) -> str:
    """Instants as such: a Parquet time without zone would become a DATETIME."""
    return f"timezone('UTC', {column})" if of is DataType.TIMESTAMP else column


def empty(table: Table) -> str:
    """A relation like the file, without lines, in GoogleSQL."""
    columns = ", ".join(f"CAST(NULL AS {of}) AS `{c}`" for c, of in schema(table).items())
    return f"(SELECT {columns} FROM UNNEST([1]) WHERE FALSE)"
