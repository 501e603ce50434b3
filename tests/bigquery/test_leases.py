"""Leases in BigQuery: the rules of every warehouse, on the emulator."""

from __future__ import annotations

import pytest

from connectors.google import GoogleAccess
from connectors.warehouse.bigquery.leases import BigQueryLeases
from tests.connectors.warehouse.lease_rules import *  # noqa: F403 - the rules are this module's tests
from tests.connectors.warehouse.lease_rules import NewStore


@pytest.fixture
def new_store(google: GoogleAccess) -> NewStore:
    return lambda: BigQueryLeases(google, patience=20)


async def test_the_table_says_in_words_what_it_holds(google: GoogleAccess, new_store: NewStore) -> None:
    async with new_store() as store:
        await store.take("dbt", "A", "dbt edw", 60)
    with google.bigquery() as client:
        table = client.get_table(f"{google.project}.STG._ledger_leases")
        assert all(field.description for field in table.schema)
        rows = client.query_and_wait("SELECT name, holder, token FROM STG._ledger_leases ORDER BY name")
        assert [tuple(row) for row in rows] == [("_tokens", None, 1), ("dbt", "A", 1)]
