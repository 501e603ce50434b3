"""What the machine found: each as small as it can be told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Contract
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.reliability.model.netsuite_machine import CUSTOMER

AT = datetime(2026, 6, 1, tzinfo=UTC)


async def test_no_keys_of_an_empty_source_meet_an_empty_table(tmp_path: Path) -> None:
    """The batch took the fast way into an empty table, which has no staged rows to compare with."""
    request = BatchRequest(CUSTOMER, Window(None, AT), label="keys", scope="keys")
    lake = LocalLake(tmp_path / "lake")
    manifest = await lake.commit(
        Manifest(request.batch_id, "netsuite", CUSTOMER.name, request.window, request.prefix, (), 0, AT, scope="keys")
    )
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as warehouse:
        await warehouse.ensure(Contract((CUSTOMER,)))
        result = await warehouse.load(CUSTOMER, manifest, lake, run_id="run")
    assert (result.changed, result.missing) == (0, 0)
