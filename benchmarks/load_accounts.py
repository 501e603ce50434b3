"""The program's own way, everything on: pages to the lake, counted, typed, misfits apart, merged, ledgered."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from benchmarks.child import report
from connectors.contract import load_contract
from connectors.lake.local import LocalLake
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.warehouse.duckdb import DuckDBWarehouse


async def load(folder: Path) -> None:
    """Load all accounts into `folder`, which must be empty."""
    contract = load_contract()
    table, lake = contract.table("sfdc_account"), LocalLake(folder / "lake")
    started = time.monotonic()
    async with SalesforceSource(SalesforceSettings()) as source:
        async with DuckDBWarehouse(folder / "warehouse.duckdb") as warehouse:
            await warehouse.ensure(contract)
            requests = await source.plan(table, await warehouse.state(table))
            async for manifest in source.extract(requests, lake):
                extracted = time.monotonic()
                result = await warehouse.load(table, manifest, lake, run_id="benchmark")
                loaded = time.monotonic()
        closed = time.monotonic()
        async with DuckDBWarehouse(folder / "warehouse.duckdb") as warehouse:
            [found] = await warehouse.rows(
                "SELECT count(*) AS n, sum(annual_revenue)::VARCHAR AS s FROM STG.sfdc_account"
            )
    report(
        rows=found["n"], revenue=found["s"], bytes=result.bytes, changed=result.changed, quarantined=result.quarantined,
        extract=extracted - started, load=loaded - extracted, close=closed - loaded,
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    asyncio.run(load(parser.parse_args().folder))
