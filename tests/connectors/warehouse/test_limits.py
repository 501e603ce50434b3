"""Batches that are too bad to be believed stop whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import MassDeletion, TooManyMisfits
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.warehouse.limits import Limits
from connectors.warehouse.settings import WarehouseSettings, open_warehouse
from tests.connectors.warehouse.batches import ACCOUNT, CONTRACT, Batch, counts, load, load_rows, window

FIRST = window(None, "2026-06-15 12:00")
SECOND = window(None, "2026-06-16 12:00")
STAMP = "2026-06-10T00:00:00Z"
LIMITS = Limits(quarantine_share=0.2, quarantine_rows=2, delete_share=0.5, delete_rows=2)


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "strict.duckdb", limits=LIMITS) as opened:
        await opened.ensure(CONTRACT)
        yield opened


def rows(*keys: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"Id": str(key), "SystemModstamp": STAMP, **fields} for key in keys]


def bad(*keys: int) -> list[dict[str, Any]]:
    return rows(*keys, NumberOfEmployees="a dozen")


@pytest.mark.parametrize("span", [FIRST, SECOND])
async def test_more_misfits_than_single_bad_rows_explain_stop_the_batch(
    warehouse: DuckDBWarehouse, lake: LocalLake, span: Any
) -> None:
    await load_rows(warehouse, lake, ACCOUNT, window(None, "2026-06-15 11:00"), *(rows(0) if span is SECOND else []))
    batch = await Batch(lake, ACCOUNT, span).rows(*rows(*range(9)), *bad(10, 11, 12), {"Id": "13"})
    with pytest.raises(TooManyMisfits) as caught:
        await load(warehouse, batch)
    assert "sfdc_account: 3 of 13 rows do not fit the contract: 3 × employees: INT64" in caught.value.cause
    assert "'a dozen'" in caught.value.cause and "MGDW_QUARANTINE_SHARE" in caught.value.remedy
    assert caught.value.facts["misfits"] == 3
    assert await warehouse.quarantined() == []
    assert len(await warehouse.rows("SELECT * FROM STG._ledger")) == 1
    assert len(await warehouse.rows("SELECT * FROM STG.sfdc_account")) == (1 if span is SECOND else 0)


async def test_few_misfits_and_a_small_share_go_to_quarantine(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    few = await load_rows(warehouse, lake, ACCOUNT, FIRST, *bad(1, 2))
    small = await load_rows(warehouse, lake, ACCOUNT, SECOND, *rows(*range(10, 30)), *bad(3, 4, 5, 6))
    assert (few.quarantined, small.quarantined) == (2, 4)


async def test_a_snapshot_that_lacks_most_rows_stops(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows(*range(6)))
    with pytest.raises(MassDeletion, match=r"would delete 4 of 6 living rows") as caught:
        await load_rows(warehouse, lake, ACCOUNT, SECOND, *rows(0, 1))
    assert "MGDW_DELETE_SHARE=1" in caught.value.remedy
    assert len(await warehouse.rows("SELECT * FROM STG.sfdc_account WHERE NOT _deleted")) == 6
    half = await load_rows(warehouse, lake, ACCOUNT, window(None, "2026-06-17 12:00"), *rows(0, 1, 2))
    assert counts(half) == {"read": 3, "unchanged": 3, "deleted": 3}


async def test_a_small_table_may_lose_all_its_rows(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows(0, 1))
    assert counts(await load_rows(warehouse, lake, ACCOUNT, SECOND)) == {"deleted": 2}


async def test_reported_deletions_and_missing_keys_stop_too(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows(*range(6)))
    log = Batch(lake, ACCOUNT, window("2026-06-15 12:00", "2026-06-16 12:00"))
    keys = Batch(lake, ACCOUNT, SECOND, scope="keys")
    await log.deletes(*({"Id": str(key), "deletedDate": "2026-06-16T00:00:00Z"} for key in range(4)))
    await keys.keys(*rows(4, 5))
    for batch in (log, keys):
        with pytest.raises(MassDeletion):
            await load(warehouse, batch)
    assert len(await warehouse.rows("SELECT * FROM STG.sfdc_account WHERE NOT _deleted")) == 6


@pytest.mark.parametrize("repeated", [[], rows(0)])
async def test_in_a_table_that_was_empty_the_rows_of_the_batch_itself_are_what_a_deletion_is_measured_by(
    warehouse: DuckDBWarehouse, lake: LocalLake, repeated: list[dict[str, Any]]
) -> None:
    """The same for a batch that names no key twice, and goes straight into the table, and for one that does."""
    few, most = Batch(lake, ACCOUNT, FIRST), Batch(lake, ACCOUNT, SECOND)
    for batch, gone in ((most, 5), (few, 4)):
        await batch.rows(*rows(*range(8)), *repeated)
        await batch.deletes(*({"Id": str(key), "deletedDate": "2026-06-11T00:00:00Z"} for key in range(gone)))
    with pytest.raises(MassDeletion, match=r"would delete 5 of 8 living rows"):
        await load(warehouse, most)
    result = await load(warehouse, few)
    assert (result.inserted, result.deleted) == (8, 4)
    assert len(await warehouse.rows("SELECT * FROM STG.sfdc_account WHERE NOT _deleted")) == 4


async def test_rows_that_come_as_deleted_are_believed(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows(*range(6)))
    gone = rows(*range(6), SystemModstamp="2026-06-16T00:00:00Z", IsDeleted="true")
    assert counts(await load_rows(warehouse, lake, ACCOUNT, SECOND, *gone)) == {"read": 6, "deleted": 6}


async def test_the_environment_sets_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_DUCKDB_PATH", str(tmp_path / "w.duckdb"))
    monkeypatch.setenv("MGDW_DELETE_SHARE", "1")
    monkeypatch.setenv("MGDW_DELETE_ROWS", "0")
    monkeypatch.setenv("MGDW_QUARANTINE_SHARE", "0")
    monkeypatch.setenv("MGDW_QUARANTINE_ROWS", "0")
    settings = WarehouseSettings.from_environment()
    assert settings.limits == Limits(0, 0, 1, 0)
    lake = LocalLake(tmp_path / "lake")
    async with open_warehouse(settings) as opened:
        await opened.ensure(CONTRACT)
        batch = await Batch(lake, ACCOUNT, FIRST).rows(*rows(1), *bad(2))
        with pytest.raises(TooManyMisfits):
            await opened.load(ACCOUNT, await batch.commit(), lake, run_id="test")
