"""Several writers of one table at once: two programs, one batch twice, many tables."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connectors.contract import Contract
from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from connectors.warehouse.bigquery import BigQueryWarehouse
from tests.connectors.warehouse.batches import ACCOUNT, PLAIN, Batch, counts, load, window

TWO_TABLES = Contract((ACCOUNT, PLAIN))
STAMP = "2026-06-10T00:00:00Z"


async def test_batches_of_one_table_loaded_by_two_programs_at_once(google: GoogleAccess, tmp_path: Path) -> None:
    """Each has the same new keys: inserted by one, unchanged for the other, never there twice."""
    lake = LocalLake(tmp_path / "lake")
    spans = [window("2026-06-01 00:00", f"2026-06-{15 + n} 12:00") for n in range(2)]
    rows = [{"Id": key, "SystemModstamp": STAMP, "UpdatedDate": STAMP} for key in "abc"]
    batches = [await Batch(lake, table, span).rows(*rows) for span in spans for table in (ACCOUNT, PLAIN)]
    async with BigQueryWarehouse(google, patience=60) as one, BigQueryWarehouse(google, patience=60) as other:
        await one.ensure(TWO_TABLES)
        programs = (one, one, other, other)
        results = await asyncio.gather(*(load(w, batch) for w, batch in zip(programs, batches, strict=True)))
        for table in ("sfdc_account", "zuora_account"):
            own = [counts(r) for r in results if r.table == table]
            assert sorted(own, key=repr) == [{"read": 3, "inserted": 3}, {"read": 3, "unchanged": 3}]
            assert await one.rows(f"SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS d FROM STG.{table}") == [
                {"n": 3, "d": 3}
            ]
        assert await one.rows("SELECT COUNT(*) AS n FROM STG._ledger") == [{"n": 4}]


async def test_one_batch_loaded_by_two_programs_at_once_is_loaded_once(google: GoogleAccess, tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    manifest = await (await Batch(lake, ACCOUNT).rows({"Id": "a", "SystemModstamp": STAMP})).commit()
    async with BigQueryWarehouse(google, patience=60) as one, BigQueryWarehouse(google, patience=60) as other:
        await one.ensure(TWO_TABLES)
        results = await asyncio.gather(*(w.load(ACCOUNT, manifest, lake, run_id="x") for w in (one, other)))
        assert sorted(r.skipped for r in results) == [False, True]
        assert await one.rows("SELECT COUNT(*) AS n FROM STG._ledger") == [{"n": 1}]
