"""Batches written by hand: rows as the source would have sent them, put into a local lake."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.batch import BatchRequest, FileRef, Manifest, Part, PartFormat, PartKind, Scope
from connectors.contract import Column, Contract, DataType, QualityRule, Table
from connectors.lake.local import LocalLake
from connectors.warehouse import LoadResult
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window

ACCOUNT = Table(
    source="salesforce",
    name="sfdc_account",
    description="One row per account; it's small.",
    object="Account",
    columns=(
        Column("id", DataType.STRING, "Id", "The key.", required=True),
        Column("is_deleted", DataType.BOOL, "IsDeleted", "Soft-deleted."),
        Column("name", DataType.STRING, "Name", "What it is called."),
        Column("revenue", DataType.NUMERIC, "AnnualRevenue", "Money."),
        Column("employees", DataType.INT64, "NumberOfEmployees", "Heads."),
        Column("since", DataType.DATE, "Customer_Since__c", "First day."),
        Column("system_modstamp", DataType.TIMESTAMP, "SystemModstamp", "Last change."),
    ),
    primary_key=("id",),
    cursor="system_modstamp",
    deleted_flag="is_deleted",
    quality=(QualityRule("revenue_not_negative", "revenue >= 0"),),
)
PLAIN = Table(
    source="zuora",
    name="zuora_account",
    description="One row per account.",
    object="Account",
    columns=(
        Column("id", DataType.STRING, "Id", "The key.", required=True),
        Column("name", DataType.STRING, "Name", "What it is called."),
        Column("balance", DataType.NUMERIC, "Balance", "Money."),
        Column("updated_date", DataType.TIMESTAMP, "UpdatedDate", "Last change."),
    ),
    primary_key=("id",),
    cursor="updated_date",
)
USAGE = Table(
    source="s3",
    name="s3_cm_usage_data",
    description="One row per account and day.",
    object="cm/usage/",
    columns=(
        Column("usage_date", DataType.DATE, "usage_date", "Day.", required=True),
        Column("account_number", DataType.STRING, "account_number", "Account.", required=True),
        Column("emails_sent", DataType.INT64, "emails_sent", "E-mails."),
    ),
    primary_key=("usage_date", "account_number"),
    format="csv",
)
CONTRACT = Contract((ACCOUNT, PLAIN, USAGE))

_stamps = itertools.count()


def at(text: str) -> datetime:
    """`2026-06-15 12:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = at("2026-06-15 12:00")


def window(lo: str | None, hi: str) -> Window:
    return Window(at(lo) if lo else None, at(hi))


def csv_body(header: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """CSV as Salesforce sends it: every value quoted, NULL as an empty value."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if row.get(f) is None else row[f] for f in header] for row in rows])
    return out.getvalue().encode()


def jsonl_body(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


class Batch:
    """A batch in the making."""

    def __init__(
        self,
        lake: LocalLake,
        table: Table,
        window: Window | None = None,
        *,
        files: Sequence[FileRef] = (),
        source_rows: int | None = None,
        null_text: str | None = None,
        scope: Scope = "rows",
        observed: datetime | None = None,
        label: str = "",
    ) -> None:
        self.lake = lake
        self.table = table
        self.request = BatchRequest(table, window or Window(None, NOON), tuple(files), label, scope)
        self.observed = observed or self.request.window.hi
        self.source_rows = source_rows
        self.null_text = null_text
        self.parts: list[Part] = []
        self.details: dict[str, Any] = {}

    async def add(
        self,
        body: bytes,
        header: Sequence[str],
        rows: int | None,
        *,
        kind: PartKind = "rows",
        file_format: PartFormat = "csv",
        name: str = "rows-00000.csv",
        source_file: str | None = None,
    ) -> Batch:
        async with self.lake.new_part(
            self.request.prefix, name, kind=kind, format=file_format, source_file=source_file
        ) as part:
            await part.write(gzip.compress(body, mtime=0) if name.endswith(".gz") and body[:2] != b"\x1f\x8b" else body)
            part.finish(header=tuple(header), rows=rows)
        self.parts.append(part.part)
        return self

    async def rows(self, *rows: Mapping[str, Any], header: Sequence[str] | None = None) -> Batch:
        """A CSV part with these rows, by source field name."""
        header = header or self.table.fields
        return await self.add(csv_body(header, rows), header, len(rows))

    async def deletes(self, *rows: Mapping[str, Any], header: Sequence[str] = ("Id", "deletedDate")) -> Batch:
        return await self.add(csv_body(header, rows), header, len(rows), kind="deletes", name="deletes.csv")

    async def keys(self, *rows: Mapping[str, Any]) -> Batch:
        """The living keys, with the cursor."""
        header = (*(self.table.column(k).field for k in self.table.primary_key), self.table.cursor_field)
        return await self.add(csv_body(header, rows), header, len(rows), kind="keys", name="keys.csv")

    async def commit(self) -> Manifest:
        request = self.request
        return await self.lake.commit(
            Manifest(
                request.batch_id, self.table.source, self.table.name, request.window, request.prefix,
                tuple(self.parts), self.source_rows, self.observed, request.files, self.null_text, scope=request.scope,
                details=self.details,
            )
        )  # fmt: skip


async def load(warehouse: DuckDBWarehouse, batch: Batch) -> LoadResult:
    return await warehouse.load(batch.table, await batch.commit(), batch.lake, run_id="test")


async def replay(warehouse: DuckDBWarehouse, batch: Batch, table: Table | None = None) -> LoadResult:
    """Load a batch again from the lake, by another contract if one is given."""
    return await warehouse.load(table or batch.table, await batch.commit(), batch.lake, run_id="replay", again=True)


async def load_rows(
    warehouse: DuckDBWarehouse, lake: LocalLake, table: Table, window: Window, *rows: Mapping[str, Any]
) -> LoadResult:
    return await load(warehouse, await Batch(lake, table, window).rows(*rows))


def counts(result: LoadResult) -> dict[str, int]:
    """The counts that are not zero."""
    named = ("read", "inserted", "updated", "deleted", "unchanged", "stale", "quarantined")
    return {n: getattr(result, n) for n in named if getattr(result, n)}


def delivery(key: str, when: datetime, version: str | None = None) -> FileRef:
    return FileRef("usage", key, version or when.isoformat(), 1, when)


async def load_file(
    warehouse: DuckDBWarehouse, lake: LocalLake, file: FileRef, *rows: Mapping[str, Any], name: str = "file.csv.gz"
) -> LoadResult:
    batch = Batch(lake, USAGE, Window(None, file.last_modified), files=[file])
    await batch.add(csv_body(USAGE.fields, rows), USAGE.fields, None, name=name, source_file=file.key)
    return await load(warehouse, batch)


def contents(path: Path) -> list[str]:
    return sorted(p.name for p in path.rglob("*"))
