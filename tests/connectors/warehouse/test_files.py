"""Usage files: the latest delivery of a file wins, in whatever order deliveries are loaded."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.batch import FileRef
from connectors.contract import Column, Contract, DataType
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.connectors.warehouse.batches import (
    CONTRACT,
    USAGE,
    Batch,
    at,
    counts,
    csv_body,
    delivery,
    load,
    load_file,
    replay,
)

MONDAY, TUESDAY, WEDNESDAY = at("2026-06-15 06:00"), at("2026-06-16 06:00"), at("2026-06-17 06:00")
FILE, OTHER = "cm/usage/2026-06-14.csv.gz", "cm/usage/2026-06-15.csv.gz"


def usage(account: str, sent: int, day: str = "2026-06-14") -> dict[str, Any]:
    return {"usage_date": day, "account_number": account, "emails_sent": sent}


async def live(warehouse: DuckDBWarehouse) -> dict[str, int]:
    rows = await warehouse.rows("SELECT account_number, emails_sent FROM STG.s3_cm_usage_data WHERE NOT _deleted")
    return {r["account_number"]: r["emails_sent"] for r in rows}


async def test_a_file_is_loaded_with_its_key(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    result = await load_file(warehouse, lake, delivery(FILE, MONDAY, "v1"), usage("A", 1), usage("B", 2))
    assert counts(result) == {"read": 2, "inserted": 2} and result.files == 1
    assert await warehouse.rows("SELECT DISTINCT _file FROM STG.s3_cm_usage_data") == [{"_file": FILE}]
    assert (await warehouse.state(USAGE)).files == {("usage", FILE, "v1")}


async def test_a_new_delivery_replaces_the_file(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(FILE, MONDAY), usage("A", 1), usage("B", 2), usage("C", 3))
    await load_file(warehouse, lake, delivery(OTHER, MONDAY), usage("A", 7, "2026-06-15"))
    result = await load_file(warehouse, lake, delivery(FILE, TUESDAY), usage("A", 1), usage("B", 20), usage("D", 4))
    assert counts(result) == {"read": 3, "inserted": 1, "updated": 1, "unchanged": 1, "deleted": 1}
    rows = await warehouse.rows(
        "SELECT account_number AS a, emails_sent AS n, _deleted AS d, _deleted_at AS t FROM STG.s3_cm_usage_data "
        "WHERE usage_date = DATE '2026-06-14' ORDER BY a"
    )
    assert [(r["a"], r["n"], r["d"]) for r in rows] == [
        ("A", 1, False), ("B", 20, False), ("C", 3, True), ("D", 4, False),
    ]  # fmt: skip
    assert rows[2]["t"] == TUESDAY.replace(tzinfo=None)


async def test_a_row_that_returns_with_a_later_delivery_is_live_again(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_file(warehouse, lake, delivery(FILE, MONDAY), usage("A", 1), usage("B", 2))
    await load_file(warehouse, lake, delivery(FILE, TUESDAY), usage("A", 1))
    result = await load_file(warehouse, lake, delivery(FILE, WEDNESDAY), usage("A", 1), usage("B", 2))
    assert counts(result) == {"read": 2, "updated": 1, "unchanged": 1}
    assert await live(warehouse) == {"A": 1, "B": 2}


async def test_the_order_of_loading_deliveries_does_not_matter(tmp_path: Path) -> None:
    deliveries = [
        (delivery(FILE, MONDAY), [usage("A", 1), usage("B", 2), usage("C", 3)]),
        (delivery(FILE, TUESDAY), [usage("A", 10), usage("C", 3), usage("D", 4)]),
        (delivery(FILE, WEDNESDAY), [usage("A", 100), usage("B", 2)]),
    ]
    outcomes: set[tuple[tuple[str, int], ...]] = set()
    for number, order in enumerate(itertools.permutations(deliveries)):
        lake = LocalLake(tmp_path / f"lake{number}")
        async with DuckDBWarehouse(tmp_path / f"{number}.duckdb") as warehouse:
            await warehouse.ensure(CONTRACT)
            for file, rows in order:
                await load_file(warehouse, lake, file, *rows)
            outcomes.add(tuple(sorted((await live(warehouse)).items())))
    assert outcomes == {(("A", 100), ("B", 2))}


async def test_of_two_files_with_one_row_the_later_delivery_wins(tmp_path: Path) -> None:
    deliveries = [(delivery(FILE, TUESDAY), [usage("A", 2)]), (delivery(OTHER, MONDAY), [usage("A", 1)])]
    for number, order in enumerate((deliveries, deliveries[::-1])):
        lake = LocalLake(tmp_path / f"lake{number}")
        async with DuckDBWarehouse(tmp_path / f"{number}.duckdb") as warehouse:
            await warehouse.ensure(CONTRACT)
            for file, rows in order:
                await load_file(warehouse, lake, file, *rows)
            assert await live(warehouse) == {"A": 2}


async def test_a_row_that_cannot_be_read_does_not_bury_its_earlier_version(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_file(warehouse, lake, delivery(FILE, MONDAY), usage("A", 1))
    broken = {**usage("A", 1), "emails_sent": "many"}
    result = await load_file(warehouse, lake, delivery(FILE, TUESDAY), broken)
    assert counts(result) == {"read": 1, "quarantined": 1}
    assert await live(warehouse) == {"A": 1}
    assert await warehouse.rows("SELECT part FROM STG._quarantine") == [{"part": FILE}]


async def test_an_empty_delivery_buries_the_file(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(FILE, MONDAY), usage("A", 1))
    assert counts(await load_file(warehouse, lake, delivery(FILE, TUESDAY))) == {"deleted": 1}


async def in_every_order(tmp_path: Path, *deliveries: tuple[FileRef, list[dict[str, Any]]]) -> list[dict[str, int]]:
    """What lives after loading the deliveries, for each order of loading them; the deliveries of one file are read
    one after the other, those of the other file before or after them."""
    found: list[dict[str, int]] = []
    in_time = sorted(deliveries, key=lambda delivered: delivered[0].last_modified)
    readings = [sorted(in_time, key=lambda delivered: delivered[0].key, reverse=turned) for turned in (False, True)]
    for number, (reading, order) in enumerate(itertools.product(readings, itertools.permutations(deliveries))):
        lake = LocalLake(tmp_path / f"lake{number}")
        async with DuckDBWarehouse(tmp_path / f"{number}.duckdb") as warehouse:
            await warehouse.ensure(CONTRACT)
            for file, rows in order:
                when = WEDNESDAY + timedelta(hours=1 + reading.index((file, rows)))
                batch = Batch(lake, USAGE, Window(None, file.last_modified), files=[file], observed=when)
                body = csv_body(USAGE.fields, rows)
                await load(warehouse, await batch.add(body, USAGE.fields, None, name="file.csv", source_file=file.key))
            found.append(await live(warehouse))
    return found


@pytest.mark.parametrize("sent", [(1, 2), (2, 1)])
async def test_of_two_files_in_one_batch_with_one_row_the_later_name_wins(
    warehouse: DuckDBWarehouse, lake: LocalLake, sent: tuple[int, int]
) -> None:
    files = {FILE: sent[0], OTHER: sent[1]}
    batch = Batch(lake, USAGE, Window(None, MONDAY), files=[delivery(file, MONDAY) for file in files])
    for i, (file, number) in enumerate(files.items()):
        body = csv_body(USAGE.fields, [usage("A", number)])
        await batch.add(body, USAGE.fields, None, name=f"file-{i}.csv", source_file=file)
    assert counts(await load(warehouse, batch)) == {"read": 2, "inserted": 1, "stale": 1}
    assert await live(warehouse) == {"A": files[OTHER]}


async def test_of_two_files_of_one_instant_with_one_row_the_later_name_wins(tmp_path: Path) -> None:
    both = ((delivery(FILE, MONDAY), [usage("A", 1)]), (delivery(OTHER, MONDAY), [usage("A", 2)]))
    assert await in_every_order(tmp_path, *both) == [{"A": 2}] * 4


async def test_a_row_that_left_its_file_lives_on_in_an_older_delivery_of_another(tmp_path: Path) -> None:
    found = await in_every_order(
        tmp_path,
        (delivery(FILE, MONDAY), [usage("A", 1), usage("B", 1)]),
        (delivery(FILE, WEDNESDAY), [usage("B", 1)]),
        (delivery(OTHER, TUESDAY), [usage("A", 2)]),
    )
    assert found == [{"A": 2, "B": 1}] * 12


async def test_a_row_that_left_its_file_lives_on_in_another_of_the_same_instant(tmp_path: Path) -> None:
    found = await in_every_order(
        tmp_path,
        (delivery(OTHER, MONDAY), [usage("A", 1)]),
        (delivery(OTHER, TUESDAY), []),
        (delivery(FILE, TUESDAY), [usage("A", 2)]),
    )
    assert found == [{"A": 2}] * 12


async def test_a_column_added_to_the_contract_is_filled_from_the_files_in_the_lake(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    wider = replace(USAGE, columns=(*USAGE.columns, Column("opens", DataType.INT64, "opens", "Opened.")))
    batch = Batch(lake, USAGE, Window(None, MONDAY), files=[delivery(FILE, MONDAY)])
    header = (*USAGE.fields, "opens")
    await batch.add(csv_body(header, [{**usage("A", 1), "opens": 7}]), header, None, name="a.csv", source_file=FILE)
    await load(warehouse, batch)
    await warehouse.ensure(Contract((wider,)))
    assert counts(await replay(warehouse, batch, wider)) == {"read": 1, "updated": 1}
    assert await warehouse.rows("SELECT opens FROM STG.s3_cm_usage_data") == [{"opens": 7}]


async def test_what_left_its_file_is_buried_also_when_another_file_of_its_batch_came_after_the_new_delivery(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    """Our clock is behind S3's, so that the end of its window tells when a batch was read."""
    batch = Batch(lake, USAGE, Window(None, WEDNESDAY), files=[delivery(FILE, MONDAY), delivery(OTHER, WEDNESDAY)])
    for i, file in enumerate((FILE, OTHER)):
        body = csv_body(USAGE.fields, [usage(file, 1), usage(f"{file} too", 2)])
        await batch.add(body, USAGE.fields, None, name=f"file-{i}.csv", source_file=file)
    await load(warehouse, batch)
    await load_file(warehouse, lake, delivery(FILE, TUESDAY), usage(FILE, 1))
    assert await live(warehouse) == {FILE: 1, OTHER: 1, f"{OTHER} too": 2}
