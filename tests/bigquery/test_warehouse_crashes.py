"""A program that ends before any of its statements loses nothing and loads nothing twice: the next run completes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.contract import Contract
from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from connectors.warehouse.bigquery import BigQueryWarehouse
from tests.bigquery.conftest import bucket_of
from tests.bigquery.warehouse_histories import contents
from tests.connectors.warehouse.batches import ACCOUNT, Batch, load, window

ONE_TABLE = Contract((ACCOUNT,))


class Crash(Exception):
    pass


def rows(*keys: str, stamp: str) -> list[dict[str, str]]:
    return [{"Id": key, "Name": stamp, "SystemModstamp": f"{stamp}T00:00:00Z"} for key in keys]


async def batches(google: GoogleAccess) -> list[Batch]:
    """A first load with a row that does not fit, and a snapshot that changes, adds, lacks and settles."""
    lake = GcsLake(bucket_of(google), google=google)
    first = Batch(lake, ACCOUNT, window(None, "2026-06-15 12:00"))  # type: ignore[arg-type]
    second = Batch(lake, ACCOUNT, window(None, "2026-06-16 12:00"))  # type: ignore[arg-type]
    await first.rows(*rows("a", "b", "c", stamp="2026-06-10"), {"Id": "d", "NumberOfEmployees": "x"})
    await second.rows(*rows("a", stamp="2026-06-10"), *rows("b", "d", "e", stamp="2026-06-16"))
    return [first, second]


async def run(google: GoogleAccess, dataset: str, made: list[Batch], watch: Callable[[str], None]) -> object:
    """What a daily run does to the warehouse; the contents afterwards."""
    async with BigQueryWarehouse(
        google, dataset=dataset, bucket=bucket_of(google), patience=30, on_statement=watch
    ) as warehouse:
        await warehouse.ensure(ONE_TABLE)
        for batch in made:
            await load(warehouse, batch)  # pyright: ignore[reportArgumentType]
        return await contents(warehouse, dataset, [ACCOUNT])


async def crashed(google: GoogleAccess, dataset: str, made: list[Batch], last: int) -> None:
    """A run that ends before its statement `last`."""
    sent = 0

    def watch(sql: str) -> None:
        nonlocal sent
        if sent == last:
            raise Crash
        sent += 1

    with pytest.raises(Crash):
        await run(google, dataset, made, watch)


@pytest.mark.parametrize("walk", ["jobs", pytest.param("statements", marks=pytest.mark.slow)])
async def test_a_run_that_ends_before_a_statement_is_completed_by_the_next(google: GoogleAccess, walk: str) -> None:
    made, statements = await batches(google), list[str]()
    expected = await run(google, "CLEAN", made, statements.append)
    jobs = [i for i, sql in enumerate(statements) if sql.startswith(("LOAD DATA", "DECLARE batch_"))]
    assert len(jobs) == 4
    for last in jobs if walk == "jobs" else range(jobs[-1] + 1):
        dataset = f"CRASHED_{last}"
        await crashed(google, dataset, made, last)
        assert await run(google, dataset, made, lambda _: None) == expected, statements[last][:200]
