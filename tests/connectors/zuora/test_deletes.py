"""Rows that are deleted at Zuora: flagged where it shows them, found by keys where it does not."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Contract
from connectors.lake.local import LocalLake
from connectors.sync import sync
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from connectors.zuora.asks import is_due, needs_keys
from tests.connectors.zuora.conftest import TABLES, Office, extracted, records, table

NOW = datetime(2026, 6, 15, 6, tzinfo=UTC)
DAY = timedelta(days=1)
HIDDEN = ["tenant", "object on submission", "object when run", "column left out"]


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as opened:
        await opened.ensure(Contract(tuple(TABLES.values())))
        yield opened


def hide_deletes(office: Office, how: str) -> None:
    """Every way in which a tenant keeps deleted rows to itself."""
    options = office.tenant.options
    match how:
        case "tenant":
            options.stateless_deletes = False
        case "object on submission":
            options.undeletable = frozenset({"Invoice"})
        case "object when run":
            options.undeletable, options.judged = frozenset({"Invoice"}), "when run"
        case _:
            for _ in range(9):
                office.tenant.jobs.spoil_next(lambda _, text: text.replace(b"MgdwDeleted", b"Something"))


def delete(office: Office, *ids: str) -> None:
    for key in ids:
        office.world.sql("UPDATE zuora.Invoice SET _deleted_at = ? WHERE Id = ?", [office.world.now, key])


def today(office: Office, name: str = "invoice", *, days: float = 1) -> BatchRequest:
    return BatchRequest(table(name), Window(office.world.now - days * DAY, office.world.now))


def keys(lake: LocalLake, manifest: Manifest) -> set[str | None]:
    return {record["Id"] for record in records(lake, manifest, "keys")}


@pytest.mark.parametrize("how", HIDDEN)
async def test_where_deleted_rows_are_not_shown_the_living_keys_come_in_the_same_job(
    office: Office, lake: LocalLake, how: str
) -> None:
    hide_deletes(office, how)
    async with office.source() as source:
        manifests = await extracted(source, lake, [today(office), today(office, "payment")])
    manifest = manifests["zuora_invoice"]
    living = {i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL")}
    assert keys(lake, manifest) == living
    (part,) = [p for p in manifest.parts if p.kind == "keys"]
    assert set(part.header) == {"Id", "UpdatedDate"}
    assert part.rows == len(living)
    assert manifest.source_rows == manifest.rows == len(records(lake, manifest)) < len(living)
    assert "deleted rows are not shown" in manifest.details["warning"]
    assert "fetched instead" in manifest.details["warning"]
    shown = {p.kind for p in manifests["zuora_payment"].parts} == {"rows"}
    assert shown is (how not in ("tenant", "column left out")), "other objects keep their flag where they have one"


async def test_where_deleted_rows_are_shown_no_keys_are_fetched(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        manifests = await extracted(source, lake, [today(office), *office.whole("product")])
    assert {p.kind for m in manifests.values() for p in m.parts} == {"rows"}


async def test_a_snapshot_needs_no_keys(office: Office, lake: LocalLake) -> None:
    hide_deletes(office, "tenant")
    async with office.source() as source:
        (manifest,) = (await extracted(source, lake, office.whole("invoice"))).values()
    assert {p.kind for p in manifest.parts} == {"rows"}


async def test_a_pause_longer_than_zuora_keeps_deleted_rows_needs_the_keys(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        (short,) = (await extracted(source, lake, [today(office, days=20)])).values()
        (long,) = (await extracted(source, lake, [today(office, days=40)])).values()
        (again,) = (await extracted(source, lake, [replace(today(office, days=40), label="backfill")])).values()
    assert [{p.kind for p in m.parts} for m in (short, long, again)] == [{"rows"}, {"rows", "keys"}, {"rows"}]
    assert "_deleted" in long.parts[0].header, "deletions of the last thirty days come with their time"


async def test_keys_alone_are_the_living_rows_and_nothing_else(office: Office, lake: LocalLake) -> None:
    request = replace(today(office), scope="keys")
    async with office.source() as source:
        (manifest,) = (await extracted(source, lake, [request])).values()
    living = {i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL")}
    assert {p.kind for p in manifest.parts} == {"keys"}
    assert keys(lake, manifest) == living
    assert manifest.source_rows == len(living)


async def test_keys_are_due_once_in_a_period_however_often_we_run(office: Office, lake: LocalLake) -> None:
    hide_deletes(office, "tenant")
    hour, clock = timedelta(hours=1), office.world.now
    windows = [Window(clock - (n + 1) * hour, clock - n * hour) for n in range(30)]
    async with office.source(keys_every_hours=24) as source:
        found = [m async for m in source.extract([BatchRequest(table("product"), w) for w in windows], lake)]
    with_keys = [m for m in found if any(p.kind == "keys" for p in m.parts)]
    midnights = {w.hi.date() for w in windows} | {windows[-1].lo.date()}  # type: ignore[union-attr]
    assert len(with_keys) == len(midnights) - 1
    assert all("keys were not due" in m.details["warning"] for m in found if m not in with_keys)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)),
    st.lists(st.floats(0.01, 100), min_size=1, max_size=20),
    st.floats(0.5, 720),
)
def test_whatever_the_windows_each_end_of_a_period_lies_in_exactly_one(
    start: datetime, hours: list[float], period: float
) -> None:
    every = timedelta(hours=period)
    ends = [start]
    for length in hours:
        ends.append(ends[-1] + timedelta(hours=length))
    windows = [Window(lo, hi) for lo, hi in itertools.pairwise(ends)]
    due = [w for w in windows if is_due(w, every)]
    passed = ends[-1].timestamp() // every.total_seconds() - start.timestamp() // every.total_seconds()
    assert len(due) <= passed
    assert bool(due) == (passed > 0)


def test_keys_are_needed_in_every_window_without_a_period() -> None:
    request = BatchRequest(table("product"), Window(NOW - timedelta(minutes=1), NOW))
    assert needs_keys(request, NOW, deletes=False, every=timedelta(0))
    assert not needs_keys(request, NOW, deletes=True, every=timedelta(0))


@pytest.mark.parametrize("how", ["shown", "tenant", *(pytest.param(how, marks=pytest.mark.slow) for how in HIDDEN[1:])])
async def test_a_row_deleted_between_two_runs_is_a_tombstone_in_stg_however_zuora_tells(
    busy_office: Office, lake: LocalLake, warehouse: DuckDBWarehouse, how: str
) -> None:
    office = busy_office
    tables = list(TABLES.values())
    if how != "shown":
        hide_deletes(office, how)
    async with office.source() as source:
        first = await sync(source, tables, lake, warehouse, run_id="1")
        gone = [i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL LIMIT 3")]
        office.world.advance(1)
        delete(office, *gone)
        office.world.advance(1)
        second = await sync(source, tables, lake, warehouse, run_id="2")
    assert not first.failures + second.failures
    stored = {r["id"]: r["_deleted"] for r in await warehouse.rows("SELECT id, _deleted FROM STG.zuora_invoice")}
    living = {i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL")}
    assert {key for key, deleted in stored.items() if not deleted} == living
    assert set(gone) <= {key for key, deleted in stored.items() if deleted}
    assert all(result.missing == 0 for result in second.results)
