"""Every statement that the warehouse sends to BigQuery is checked by Google's analyzer just before it is sent.

The tables a statement reads are those that the emulator has at that moment, with their columns and types. Histories of
batches make the warehouse say all it can: merges, tombstones, quarantine, replay, files, ledger, and the reading of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.cloud.bigquery import Client

from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from connectors.warehouse.bigquery import BigQueryWarehouse
from tests.bigquery.googlesql.client import GoogleSql, Refused
from tests.bigquery.googlesql.sent import PROJECT, type_of
from tests.bigquery.warehouse_histories import HISTORY_CONTRACT, History, outcome


@dataclass
class Watch:
    """Analyzes what is about to be sent."""

    google_sql: GoogleSql
    client: Client
    kinds: Counter[str] = field(default_factory=Counter[str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    known: set[str] = field(default_factory=set[str])

    def __call__(self, sql: str) -> None:
        if sql.startswith("LOAD DATA INTO"):
            return  # the name of a load job, which is no statement
        self.forget()
        for item in self.client.list_tables("STG"):
            name = f"{PROJECT}.STG.{item.table_id}"
            self.google_sql.table(name, [(c.name, type_of(c)) for c in self.client.get_table(item).schema])
            self.known.add(name)
        try:
            self.kinds.update(self.google_sql.kinds(sql))
        except Refused as refused:
            self.refused[sql] = str(refused)

    def forget(self) -> None:
        for name in self.known:
            self.google_sql.forget(name)
        self.known.clear()


@pytest.mark.parametrize("seed", range(3))
async def test_every_statement_of_a_history_is_sql_that_bigquery_takes(
    google: GoogleAccess, google_sql: GoogleSql, tmp_path: Path, seed: int
) -> None:
    lake = LocalLake(tmp_path / "lake")
    watch = Watch(google_sql, google.bigquery())
    async with BigQueryWarehouse(google, patience=20, on_statement=watch) as warehouse:
        await warehouse.ensure(HISTORY_CONTRACT)
        for step in await History(seed, lake).steps(6):
            await outcome(warehouse, step, lake)
    watch.forget()
    assert watch.refused == {}
    assert {"MergeStatement", "InsertStatement", "BeginStatement", "CommitStatement"} <= watch.kinds.keys()
