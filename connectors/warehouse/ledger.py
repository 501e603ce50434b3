"""What was loaded: the only state there is. Written in the transaction that loads the rows."""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connectors.batch import Manifest
from connectors.contract import DataType, Table
from connectors.drift import KnownField
from connectors.warehouse import LoadResult
from connectors.warehouse.ddl import WarehouseColumn, WarehouseTable, qualified
from connectors.warehouse.sql import names, number, stamp, text

LEDGER = qualified("_ledger")
FILES = qualified("_ledger_files")
FIELDS = qualified("_ledger_fields")
QUARANTINE = qualified("_quarantine")

_S, _I, _T, _N, _B = DataType.STRING, DataType.INT64, DataType.TIMESTAMP, DataType.NUMERIC, DataType.BOOL

_TABLES: dict[str, tuple[str, dict[str, tuple[DataType, str]]]] = {
    "_ledger": (
        "One row per batch loaded; what to load next is read from here and nowhere else.",
        {
            "batch_id": (_S, "Digest of source, table and window or files."),
            "source": (_S, "Source system."),
            "table_name": (_S, "STG table."),
            "window_lo": (_T, "Start of the window (UTC); NULL for everything from the beginning."),
            "window_hi": (_T, "End of the window (UTC), exclusive."),
            "rows_read": (_I, "Rows parsed."),
            "inserted": (_I, "Keys the table did not have."),
            "updated": (_I, "Keys whose content changed, or that came back."),
            "deleted": (_I, "Keys that became tombstones."),
            "unchanged": (_I, "Keys whose stored version equals the batch's."),
            "stale": (_I, "Rows older than what the table or the batch already has."),
            "quarantined": (_I, "Rows that did not fit the contract."),
            "source_rows": (_I, "The source's own count; NULL where it gives none."),
            "bytes": (_I, "Stored size of all parts."),
            "prefix": (_S, "Where the batch lies in the lake."),
            "run_id": (_S, "Flow run that loaded it."),
            "loaded_at": (_T, "When (UTC)."),
            "seconds": (_N, "How long the load took."),
            "scope": (_S, "rows, or keys for a batch of living keys alone: that one covers no window."),
            "origin": (_S, "Which instance of the source it came from; windows of another one do not count."),
            "observed_at": (_T, "When the batch was read (UTC): of two batches, which saw a row last."),
            "missing": (_I, "Keys that the source had and STG lacked; NULL where no keys were compared."),
            "replays": (_I, "How often it was loaded again from the lake."),
            "replayed_at": (_T, "When last (UTC)."),
            "dropped": (_I, "Rows that a person took out of quarantine for good."),
            "dropped_at": (_T, "When last (UTC)."),
            "bytes_billed": (_I, "Bytes the warehouse billed for the load; NULL where it bills none."),
            "slot_ms": (_I, "Compute the load took (BigQuery slot-milliseconds); NULL where it is not measured."),
        },
    ),
    "_ledger_files": (
        "One row per source file loaded.",
        {
            "bucket": (_S, "Bucket."),
            "key": (_S, "Object key."),
            "version": (_S, "Version id, or the change token where the bucket keeps no versions."),
            "size": (_I, "Bytes at the source."),
            "last_modified": (_T, "When it was delivered (UTC): the newest delivery of a key wins."),
            "rows": (_I, "Rows it brought."),
            "batch_id": (_S, "Batch that loaded it."),
        },
    ),
    "_ledger_fields": (
        "One row per source field seen: what a change of the source's schema is told from.",
        {
            "table_name": (_S, "STG table."),
            "field": (_S, "Name at the source."),
            "source_type": (_S, "The source's name of its type, where it tells one."),
            "gone": (_B, "True when the source did not have it, or hid it, when last looked at."),
            "first_seen": (_T, "When it was seen first (UTC)."),
            "changed_at": (_T, "When one of these last changed (UTC)."),
        },
    ),
    "_quarantine": (
        "Rows that did not fit the contract, as text: one entry per row, until it arrives in good shape.",
        {
            "batch_id": (_S, "Batch they came in."),
            "table_name": (_S, "STG table they were meant for."),
            "part": (_S, "File or part they lie in."),
            "reason": (_S, "First rule the row breaks."),
            "column_name": (_S, "Column concerned."),
            "raw_text": (_S, "Its text as received."),
            "row_json": (_S, "The contract's fields of the row, as received."),
            "quarantined_at": (_T, "When, last (UTC)."),
            "first_quarantined_at": (_T, "When first (UTC)."),
            "row_key": (_S, "The row's key as a JSON list of text; NULL where it cannot be read."),
            "row_version": (_T, "What decides which of two rows is newer: cursor, or delivery of the file."),
            "origin": (_S, "Which instance of the source it came from; windows of another one do not count."),
            "observed_at": (_T, "When the batch was read (UTC)."),
        },
    ),
}


def ledger_tables(types: Mapping[DataType, str]) -> list[WarehouseTable]:
    """The ledger's own tables, in a warehouse with these type names."""
    return [
        WarehouseTable(table, about, tuple(WarehouseColumn(n, types[t], c) for n, (t, c) in columns.items()))
        for table, (about, columns) in _TABLES.items()
    ]


def select_batch(batch_id: str) -> str:
    """Whether the batch was loaded."""
    return f"SELECT count(*) FROM {LEDGER} WHERE batch_id = {text(batch_id)}"


def select_windows(table: Table, origin: str | None) -> str:
    """window_lo, window_hi of every batch of the table that brought rows, from this instance of the source or any.

    What was read from an instance counts only since another one was read last: that one's rows replaced it.
    """
    where = f"b.table_name = {text(table.name)} AND b.source = {text(table.source)} AND b.scope <> 'keys'"
    if origin is not None:
        where += (
            f" AND b.origin = {text(origin)} AND NOT EXISTS (SELECT 1 FROM {LEDGER} o "
            f"WHERE o.table_name = b.table_name AND o.origin <> b.origin AND o.loaded_at > b.loaded_at)"
        )
    return f"SELECT b.window_lo, b.window_hi FROM {LEDGER} b WHERE {where} ORDER BY b.window_hi, b.window_lo"


def observed_at(manifest: Manifest) -> datetime:
    """When the batch was read: by our clock, unless the source's is ahead of it."""
    return max(manifest.extracted_at, manifest.window.hi)


def select_later(table: Table, manifest: Manifest) -> str:
    """batch_id and window_hi of the loaded batches of the table that were read after this one."""
    at, own = stamp(observed_at(manifest)), text(manifest.batch_id)
    return (
        f"SELECT batch_id, window_lo, window_hi, scope FROM {LEDGER} WHERE table_name = {text(table.name)} "
        f"AND (observed_at > {at} OR (observed_at = {at} AND batch_id > {own}))"
    )


def select_gone_by(table: Table, manifest: Manifest) -> str:
    """The end of the newest complete picture (snapshot or keys) that was read after this batch: what has an older
    version and is not stored was gone by then. NULL when there is none."""
    return f"SELECT max(window_hi) FROM ({select_later(table, manifest)}) WHERE window_lo IS NULL OR scope = 'keys'"


def select_files(table: Table) -> str:
    """bucket, key, version of every file of the table."""
    return (
        f"SELECT f.bucket, f.key, f.version FROM {FILES} f JOIN {LEDGER} b ON b.batch_id = f.batch_id "
        f"WHERE b.table_name = {text(table.name)}"
    )


def select_deliveries(table: Table) -> str:
    """key and the newest delivery loaded of each file of the table."""
    return (
        f"SELECT f.key, max(f.last_modified) AS delivered FROM {FILES} f JOIN {LEDGER} b ON b.batch_id = f.batch_id "
        f"WHERE b.table_name = {text(table.name)} GROUP BY f.key"
    )


def select_fields(table: Table) -> str:
    """field, source_type, gone of every field remembered."""
    return f"SELECT field, source_type, gone FROM {FIELDS} WHERE table_name = {text(table.name)} ORDER BY field"


def remember_fields(table: str, fields: Mapping[str, KnownField], *, at: datetime) -> list[str]:
    """Statements that bring what is remembered of a table's fields up to date; rows that are right stay untouched."""
    if not fields:
        return []
    values = " UNION ALL ".join(
        f"SELECT {text(field)} AS field, CAST({text(seen.type)} AS VARCHAR) AS source_type, "
        f"{'TRUE' if seen.gone else 'FALSE'} AS gone"
        for field, seen in fields.items()
    )
    now = f"({values}) n"
    of, when = text(table), stamp(at)
    update = (
        f"UPDATE {FIELDS} AS f SET source_type = n.source_type, gone = n.gone, changed_at = {when} FROM {now} "
        f"WHERE f.table_name = {of} AND f.field = n.field "
        f"AND (f.source_type IS DISTINCT FROM n.source_type OR f.gone <> n.gone)"
    )
    insert = (
        f"INSERT INTO {FIELDS} ({names(_TABLES['_ledger_fields'][1])}) "
        f"SELECT {of}, n.field, n.source_type, n.gone, {when}, {when} FROM {now} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {FIELDS} f WHERE f.table_name = {of} AND f.field = n.field)"
    )
    return [update, insert]


def insert_batch(
    manifest: Manifest,
    result: LoadResult,
    *,
    run_id: str,
    loaded_at: datetime,
    counted: Mapping[str, str] | None = None,
) -> str:
    """The ledger row of a load. `counted` is SQL of the counts that are known only to the script that inserts it."""
    compared = any(part.kind == "keys" for part in manifest.parts)
    row = {
        "batch_id": text(manifest.batch_id), "source": text(manifest.source), "table_name": text(manifest.table),
        "window_lo": stamp(manifest.window.lo), "window_hi": stamp(manifest.window.hi),
        "rows_read": number(result.read), "inserted": number(result.inserted), "updated": number(result.updated),
        "deleted": number(result.deleted), "unchanged": number(result.unchanged), "stale": number(result.stale),
        "quarantined": number(result.quarantined), "source_rows": number(manifest.source_rows),
        "bytes": number(result.bytes), "prefix": text(manifest.prefix), "run_id": text(run_id),
        "loaded_at": stamp(loaded_at), "seconds": number(round(result.seconds, 3)),
        "scope": text(manifest.scope), "observed_at": stamp(observed_at(manifest)),
        "missing": number(result.missing if compared else None), "replays": "0", "dropped": "0",
        "origin": text(manifest.origin), "bytes_billed": "NULL",
        "slot_ms": "NULL", **(counted or {}),
    }  # fmt: skip
    return f"INSERT INTO {LEDGER} ({names(row)}) VALUES ({', '.join(row.values())})"


def update_replayed(manifest: Manifest, result: LoadResult, *, at: datetime, missing: str | None = None) -> str:
    """What a replay changes in the ledger row of its batch. `missing` is SQL of what the script counted."""
    if missing is None:
        compared = any(part.kind == "keys" for part in manifest.parts)
        missing = number(result.missing if compared else None)
    return (
        f"UPDATE {LEDGER} SET quarantined = {number(result.quarantined)}, replays = coalesce(replays, 0) + 1, "
        f"missing = {missing}, replayed_at = {stamp(at)} "
        f"WHERE batch_id = {text(manifest.batch_id)}"
    )


def insert_files(manifest: Manifest) -> str:
    """The rows of the files in a batch."""
    rows = {p.source_file: p.rows for p in manifest.parts if p.kind == "rows"}
    values = ", ".join(
        f"({text(f.bucket)}, {text(f.key)}, {text(f.version_id or f.etag)}, {f.size}, {stamp(f.last_modified)}, "
        f"{number(rows.get(f.key))}, {text(manifest.batch_id)})"
        for f in manifest.files
    )
    return f"INSERT INTO {FILES} ({names(_TABLES['_ledger_files'][1])}) VALUES {values}"
