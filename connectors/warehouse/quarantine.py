"""What happens to rows that do not fit: one entry per row in `STG._quarantine`, as long as STG lacks the row.

A row is known again by its key, or where the key cannot be read by its text. Read again (an overlap, a replay, a newer
version) it keeps one entry, that of the newest version. An entry is settled, and goes, when the row arrives in good
shape in the same or a newer version, or is deleted; the ledger keeps how many rows of each batch did not fit.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from connectors.contract import DataType, Table
from connectors.warehouse.casting import DUCKDB_TYPES
from connectors.warehouse.ddl import has_files
from connectors.warehouse.ledger import LEDGER, QUARANTINE, select_deliveries
from connectors.warehouse.sql import match, name, names, stamp, text

KeyValue = Callable[[int, DataType], str]
"""SQL of one value of `row_key`, by place and type; NULL where it is no such value."""

MISFITS = "temp.batch_misfits"
HELD = "temp.batch_held"
_IDENTITY = "coalesce(row_key, 'text ' || row_json || reason)"
_COLUMNS = (
    "batch_id", "table_name", "part", "reason", "column_name", "raw_text", "row_json", "row_key", "row_version",
    "observed_at", "quarantined_at", "first_quarantined_at",
)  # fmt: skip


def collect(select: str, table: Table, batch_id: str, *, observed: datetime, at: datetime) -> str:
    """Keep the rows of `Conform.quarantine()` in a temporary table, each of them once."""
    return (
        f"CREATE OR REPLACE TEMP TABLE batch_misfits AS SELECT {text(batch_id)} AS batch_id, "
        f"{text(table.name)} AS table_name, *, {stamp(observed)} AS observed_at, {stamp(at)} AS quarantined_at, "
        f"{stamp(at)} AS first_quarantined_at, {_IDENTITY} AS identity FROM ({select}) "
        f"QUALIFY row_number() OVER (PARTITION BY {_IDENTITY} ORDER BY row_version DESC, row_json, part) = 1"
    )


def keep(table: Table) -> list[str]:
    """Bring what was collected into the quarantine, in place of older entries of the same rows."""
    known = f"(SELECT *, {_IDENTITY} AS identity FROM {QUARANTINE} WHERE table_name = {text(table.name)})"
    newer = (
        "q.row_version > n.row_version OR (q.row_version = n.row_version AND (q.observed_at > n.observed_at "
        "OR (q.observed_at = n.observed_at AND q.batch_id > n.batch_id)))"
    )
    return [
        (
            f"DELETE FROM {MISFITS} AS n WHERE EXISTS "
            f"(SELECT 1 FROM {known} q WHERE q.identity = n.identity AND ({newer}))"
        ),
        (
            f"UPDATE {MISFITS} AS n SET first_quarantined_at = q.first FROM (SELECT identity, "
            f"min(first_quarantined_at) AS first FROM {known} GROUP BY identity) q WHERE q.identity = n.identity"
        ),
        (
            f"DELETE FROM {QUARANTINE} WHERE table_name = {text(table.name)} "
            f"AND {_IDENTITY} IN (SELECT identity FROM {MISFITS})"
        ),
        f"INSERT INTO {QUARANTINE} ({names(_COLUMNS)}) SELECT {names(_COLUMNS)} FROM {MISFITS}",
    ]


def forget(batch_id: str) -> str:
    """Remove the entries of a batch that do not occur any more in what was collected: it was loaded again."""
    return (
        f"DELETE FROM {QUARANTINE} WHERE batch_id = {text(batch_id)} "
        f"AND {_IDENTITY} NOT IN (SELECT identity FROM {MISFITS})"
    )


def count_held(table: Table) -> str:
    """Entries of the table."""
    return f"SELECT count(*) FROM {QUARANTINE} WHERE table_name = {text(table.name)}"


def hold(table: Table, key_value: KeyValue = lambda i, of: f"TRY_CAST(row_key->>{i} AS {DUCKDB_TYPES[of]})") -> str:
    """Keep the entries whose key can be read in a temporary table: row_key, the key columns, version, observed_at."""
    keys = ", ".join(f"{key_value(i, table.column(k).type)} AS {name(k)}" for i, k in enumerate(table.primary_key))
    return (
        f"CREATE OR REPLACE TEMP TABLE batch_held AS SELECT row_key, {keys}, row_version AS version, observed_at "
        f"FROM {QUARANTINE} WHERE table_name = {text(table.name)} AND row_key IS NOT NULL"
    )


def settle(table: Table, target: str, stored_version: str) -> str:
    """Remove the entries of rows that STG holds by now in the same or a newer version, or as deleted since."""
    seen = "b.observed_at >= h.observed_at"
    files = f"LEFT JOIN ({select_deliveries(table)}) d ON d.key = t._file " if has_files(table) else ""
    return (
        f"DELETE FROM {QUARANTINE} WHERE {_entries(table)} (SELECT h.row_key FROM {HELD} h JOIN {target} t "
        f"ON {match(table.primary_key, 'h', 't')} LEFT JOIN {LEDGER} b ON b.batch_id = t._batch_id {files}"
        f"WHERE {stored_version} > h.version OR ({stored_version} = h.version AND {seen}) "
        f"OR (t._deleted AND t._deleted_at >= h.version AND {seen}))"
    )


def settle_staged(table: Table, stage: str, observed: datetime) -> str:
    """Remove the entries of rows that this batch has in good shape, also where STG had them like this already."""
    return (
        f"DELETE FROM {QUARANTINE} WHERE {_entries(table)} (SELECT h.row_key FROM {HELD} h JOIN {stage} s "
        f"ON {match(table.primary_key, 'h', 's')} WHERE s._misfit = 0 AND s._version >= h.version "
        f"AND h.observed_at <= {stamp(observed)})"
    )


def _entries(table: Table) -> str:
    return f"table_name = {text(table.name)} AND row_key IN"


def select_groups(table: str | None) -> str:
    """table_name, batch_id, reason, column_name, rows, first, last, example."""
    where = f"WHERE table_name = {text(table)} " if table else ""
    return (
        f"SELECT table_name, batch_id, reason, column_name, count(*) AS n, min(first_quarantined_at), "
        f"max(quarantined_at), min(raw_text) FROM {QUARANTINE} {where}GROUP BY ALL "
        f"ORDER BY n DESC, table_name, batch_id, reason, column_name NULLS LAST"
    )


def select_rows(table: str, limit: int) -> str:
    """table_name, batch_id, part, reason, column_name, raw_text, row_json, first, last."""
    return (
        f"SELECT table_name, batch_id, part, reason, column_name, raw_text, row_json, first_quarantined_at, "
        f"quarantined_at FROM {QUARANTINE} WHERE table_name = {text(table)} "
        f"ORDER BY quarantined_at DESC, row_key NULLS LAST, row_json LIMIT {limit}"
    )


def drop(table: str, batch_id: str | None, reason: str | None, *, at: datetime) -> list[str]:
    """Note in the ledger how many entries go, then remove them; the last statement returns their number."""
    where = f"table_name = {text(table)}"
    if batch_id is not None:
        where += f" AND batch_id = {text(batch_id)}"
    if reason is not None:
        where += f" AND reason = {text(reason)}"
    return [
        (
            f"UPDATE {LEDGER} AS b SET dropped = coalesce(b.dropped, 0) + q.n, dropped_at = {stamp(at)} "
            f"FROM (SELECT batch_id, count(*) AS n FROM {QUARANTINE} WHERE {where} GROUP BY batch_id) q "
            f"WHERE b.batch_id = q.batch_id"
        ),
        f"DELETE FROM {QUARANTINE} WHERE {where}",
    ]


def select_reasons(select: str) -> str:
    """reason, column_name, rows, an example of the raw text: the commonest of `Conform.quarantine()`."""
    return (
        f"SELECT reason, column_name, count(*) AS n, min(raw_text) FROM ({select}) "
        f"GROUP BY ALL ORDER BY n DESC, reason, column_name LIMIT 3"
    )
