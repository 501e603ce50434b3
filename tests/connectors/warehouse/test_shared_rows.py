"""Rows that stand in several files: what one file withdraws lives on in another that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.batch import FileRef
from connectors.contract import Column, Contract, DataType
from connectors.lake.local import LocalLake
from connectors.warehouse import LoadResult
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.connectors.warehouse.batches import (
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
THURSDAY, FRIDAY = at("2026-06-18 06:00"), at("2026-06-19 06:00")
A, B, C = "cm/usage/a.csv", "cm/usage/b.csv", "cm/usage/c.csv"

Row = dict[str, Any]


def usage(account: str, sent: int | str) -> Row:
    return {"usage_date": "2026-06-14", "account_number": account, "emails_sent": sent}


async def batch_of(lake: LocalLake, files: Sequence[tuple[FileRef, Sequence[Row]]], observed: datetime) -> Batch:
    """One batch of several files."""
    newest = max(file.last_modified for file, _ in files)
    batch = Batch(lake, USAGE, Window(None, newest), files=[file for file, _ in files], observed=observed)
    for number, (file, rows) in enumerate(files):
        body = csv_body(USAGE.fields, rows)
        await batch.add(body, USAGE.fields, None, name=f"file-{number}.csv", source_file=file.key)
    return batch


async def load_files(
    warehouse: DuckDBWarehouse, lake: LocalLake, when: datetime, files: dict[str, Sequence[Row]]
) -> LoadResult:
    """Load several files, all delivered at `when`, as one batch."""
    found = [(delivery(key, when), rows) for key, rows in files.items()]
    return await load(warehouse, await batch_of(lake, found, when))


async def live(warehouse: DuckDBWarehouse) -> dict[str, tuple[int, str]]:
    """emails_sent and file by account."""
    rows = await warehouse.rows(
        "SELECT account_number, emails_sent, _file, _deleted_at FROM STG.s3_cm_usage_data WHERE NOT _deleted"
    )
    assert all(r["_deleted_at"] is None for r in rows)
    return {r["account_number"]: (r["emails_sent"], r["_file"]) for r in rows}


async def in_shadow(warehouse: DuckDBWarehouse) -> set[tuple[str, str]]:
    """account and file of the rows that wait."""
    rows = await warehouse.rows("SELECT account_number, _file FROM STG._shadowed_s3_cm_usage_data")
    assert len({tuple(r.values()) for r in rows}) == len(rows)
    return {(r["account_number"], r["_file"]) for r in rows}


async def test_files_that_share_no_row_cast_no_shadow(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1))
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("Y", 2))
    await load_file(warehouse, lake, delivery(A, WEDNESDAY), usage("X", 3), usage("Z", 1))
    assert await in_shadow(warehouse) == set()


async def test_a_row_that_the_newer_file_withdraws_is_the_older_files_again(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1), usage("Y", 1))
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2), usage("Z", 2))
    assert await in_shadow(warehouse) == {("X", A)}
    result = await load_file(warehouse, lake, delivery(B, WEDNESDAY), usage("Z", 2))
    assert counts(result) == {"read": 1, "unchanged": 1, "updated": 1}
    assert await live(warehouse) == {"X": (1, A), "Y": (1, A), "Z": (2, B)}
    assert await in_shadow(warehouse) == set()


async def test_a_file_that_is_emptied_gives_its_rows_back(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1))
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2), usage("Y", 2))
    result = await load_file(warehouse, lake, delivery(B, WEDNESDAY))
    assert counts(result) == {"updated": 1, "deleted": 1}
    assert await live(warehouse) == {"X": (1, A)}


async def test_a_row_is_gone_only_when_no_file_has_it(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1))
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2))
    assert counts(await load_file(warehouse, lake, delivery(A, WEDNESDAY))) == {}
    assert await live(warehouse) == {"X": (2, B)}
    assert counts(await load_file(warehouse, lake, delivery(B, THURSDAY))) == {"deleted": 1}
    assert await live(warehouse) == {}


async def test_of_several_files_that_still_have_the_row_the_newest_takes_its_place(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_file(warehouse, lake, delivery(C, TUESDAY), usage("X", 3))
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1))
    await load_file(warehouse, lake, delivery(B, WEDNESDAY), usage("X", 2))
    assert await in_shadow(warehouse) == {("X", A), ("X", C)}
    await load_file(warehouse, lake, delivery(B, THURSDAY))
    assert await live(warehouse) == {"X": (3, C)}
    await load_file(warehouse, lake, delivery(C, FRIDAY))
    assert await live(warehouse) == {"X": (1, A)}


async def test_files_that_share_rows_may_come_in_one_batch(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    first = await load_files(warehouse, lake, MONDAY, {A: [usage("X", 1), usage("Y", 1)], B: [usage("X", 2)]})
    assert counts(first) == {"read": 3, "inserted": 2, "stale": 1}
    assert await live(warehouse) == {"X": (2, B), "Y": (1, A)}
    await load_file(warehouse, lake, delivery(B, TUESDAY))
    assert await live(warehouse) == {"X": (1, A), "Y": (1, A)}


async def test_both_files_may_be_corrected_in_one_batch(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1), usage("Y", 1))
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2), usage("Y", 2))
    await load_files(warehouse, lake, WEDNESDAY, {A: [usage("X", 10)], B: [usage("Z", 2)]})
    assert await live(warehouse) == {"X": (10, A), "Z": (2, B)}
    assert await in_shadow(warehouse) == set()


async def test_a_file_older_than_the_one_that_withdraws_the_row_may_come_in_its_batch(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2))
    late = [(delivery(A, MONDAY), [usage("X", 1)]), (delivery(B, WEDNESDAY), [])]
    await load(warehouse, await batch_of(lake, late, WEDNESDAY))
    assert await live(warehouse) == {"X": (1, A)}


async def test_what_a_file_withdrew_does_not_come_back_from_it(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(B, MONDAY), usage("X", 2))
    await load_file(warehouse, lake, delivery(B, TUESDAY))
    await load_file(warehouse, lake, delivery(A, WEDNESDAY), usage("X", 1))
    assert await in_shadow(warehouse) == set()
    await load_file(warehouse, lake, delivery(A, THURSDAY))
    assert await live(warehouse) == {}


async def test_an_outdated_file_takes_no_row_from_the_others_of_its_batch(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    both = [(delivery(A, MONDAY), [usage("X", 1)]), (delivery(B, TUESDAY), [usage("X", 2)])]
    batch = await batch_of(lake, both, TUESDAY)
    await load_file(warehouse, lake, delivery(B, WEDNESDAY))
    await load(warehouse, batch)
    assert await live(warehouse) == {"X": (1, A)}
    assert await in_shadow(warehouse) == set()


async def test_of_one_delivery_read_twice_only_one_row_is_kept(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    """The file was replaced within a second, which its time does not tell."""
    earlier = await batch_of(lake, [(delivery(A, MONDAY), [usage("X", 1)])], TUESDAY)
    later = await batch_of(lake, [(delivery(A, MONDAY, "v2"), [usage("X", 2)])], WEDNESDAY)
    for batch in (later, earlier):
        await load(warehouse, batch)
        assert await live(warehouse) == {"X": (2, A)}
        assert await in_shadow(warehouse) == set()


async def test_a_row_that_cannot_be_read_any_more_is_not_withdrawn(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_file(warehouse, lake, delivery(A, MONDAY), usage("X", 1))
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2))
    await load_file(warehouse, lake, delivery(A, WEDNESDAY), usage("X", "many"))
    await load_file(warehouse, lake, delivery(B, THURSDAY), usage("X", "many"))
    assert await live(warehouse) == {"X": (2, B)}
    await load_file(warehouse, lake, delivery(B, FRIDAY))
    assert await live(warehouse) == {"X": (1, A)}


async def test_loading_again_changes_nothing_before_and_after_a_row_came_back(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    steps = [(A, MONDAY, [usage("X", 1)]), (B, TUESDAY, [usage("X", 2)]), (B, WEDNESDAY, [])]
    batches = [await batch_of(lake, [(delivery(file, day), rows)], day) for file, day, rows in steps]
    for number, batch in enumerate(batches, 1):
        await load(warehouse, batch)
        before = await live(warehouse), await in_shadow(warehouse)
        for loaded in (*batches[:number], *batches[:number][::-1]):
            assert (await replay(warehouse, loaded)).changed == 0
            assert (await live(warehouse), await in_shadow(warehouse)) == before
    assert await live(warehouse) == {"X": (1, A)}


async def test_a_column_added_to_the_contract_is_filled_in_the_shadow_too(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    wider = replace(USAGE, columns=(*USAGE.columns, Column("opens", DataType.INT64, "opens", "Opened.")))
    header = (*USAGE.fields, "opens")
    older = Batch(lake, USAGE, Window(None, MONDAY), files=[delivery(A, MONDAY)])
    await older.add(csv_body(header, [{**usage("X", 1), "opens": 7}]), header, None, name="a.csv", source_file=A)
    await load(warehouse, older)
    await load_file(warehouse, lake, delivery(B, TUESDAY), usage("X", 2))
    await warehouse.ensure(Contract((wider,)))
    assert (await replay(warehouse, older, wider)).changed == 0
    emptied = await batch_of(lake, [(delivery(B, WEDNESDAY), [])], WEDNESDAY)
    await warehouse.load(wider, await emptied.commit(), lake, run_id="test")
    assert await warehouse.rows("SELECT emails_sent, opens FROM STG.s3_cm_usage_data") == [
        {"emails_sent": 1, "opens": 7}
    ]


async def test_rows_that_another_file_has_are_no_mass_deletion(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    many = [usage(f"X{n}", n) for n in range(150)]
    await load_files(warehouse, lake, MONDAY, {A: many, B: many})
    result = await load_file(warehouse, lake, delivery(B, TUESDAY))
    assert counts(result) == {"updated": 150}
    assert {file for _, file in (await live(warehouse)).values()} == {A}
