"""A user without AQuA: the same rows by Data Query."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Contract
from connectors.errors import PermissionMissing, UnknownField, WorkFailed
from connectors.lake.local import LocalLake
from connectors.sync import sync
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from connectors.zuora.source import ZuoraSource
from connectors.zuora.sql import column_of, select_keys, select_rows
from tests.connectors.zuora.conftest import IMPATIENT, TABLES, Office, extracted, table
from tests.connectors.zuora.test_failures import failures

ASK = "POST /query/jobs"
LOOK = "GET /query/jobs/"
RESULT = "GET /owl-query-results/"
NOW = datetime(2026, 6, 15, 6, tzinfo=UTC)


@pytest.fixture
def without_aqua(office: Office) -> Office:
    office.tenant.options.aqua_allowed = False
    return office


def records(lake: LocalLake, manifest: Manifest, kind: str = "rows") -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for part in manifest.parts:
        if part.kind == kind:
            text = gzip.decompress(Path(lake.uri(manifest, part)).read_bytes()).decode()
            lines = list(csv.reader(io.StringIO(text, newline="")))[1:]
            found += [dict(zip(part.header, line, strict=True)) for line in lines]
    return found


def test_a_query_is_trino_sql() -> None:
    window = Window(NOW - timedelta(hours=1), NOW)
    filtered = replace(table("product"), filter="SKU != null and Name = null")
    assert select_rows(filtered, window, timedelta(minutes=30), ["id", "updateddate"], deleted=True) == (
        'select "id", to_iso8601("updateddate") as "updateddate", "deleted" as MgdwDeleted from "product" '
        "where (SKU is not null and Name is null) and \"updateddate\" >= timestamp '2026-06-15 04:30:00 +00:00' "
        "and \"updateddate\" < timestamp '2026-06-15 06:00:00 +00:00'"
    )
    assert select_keys(table("product"), ["id"]) == 'select "id" from "product"'
    assert [column_of(text) for text in ("Id", "Account.Id", "Brand__c")] == ["id", "accountid", "brand__c"]


async def test_both_ways_bring_the_same_rows(office: Office, lake: LocalLake, tmp_path: Path) -> None:
    """Compared in STG, where it counts."""
    stored: list[list[dict[str, Any]]] = []
    for way in ("aqua", "data query"):
        office.tenant.options.aqua_allowed = way == "aqua"
        own = LocalLake(tmp_path / way)
        async with DuckDBWarehouse(tmp_path / f"{way}.duckdb") as warehouse, office.source() as source:
            await warehouse.ensure(Contract(tuple(TABLES.values())))
            outcome = await sync(source, list(TABLES.values()), own, warehouse, run_id="1")
            assert not outcome.failures
            stored.append([
                row for name in TABLES
                for row in await warehouse.rows(f"SELECT * EXCLUDE (_batch_id, _loaded_at) FROM STG.{name} ORDER BY id")
            ])  # fmt: skip
    assert stored[0] == stored[1]
    assert len(stored[0]) > 1000


async def test_aqua_is_tried_once_a_run_and_the_manifest_says_how_it_was_read(
    without_aqua: Office, lake: LocalLake
) -> None:
    async with without_aqua.source() as source:
        first = await extracted(source, lake, without_aqua.whole())
        again = [replace(request, label="again") for request in without_aqua.whole()]
        await extracted(source, lake, again)
    assert set(first) == set(TABLES)
    assert without_aqua.submissions() == 1
    assert all("read by Data Query" in m.details["warning"] for m in first.values())
    assert "X-Amz-Signature" not in "".join(m.to_json() for m in first.values())


async def test_our_token_never_leaves_for_the_host_of_the_result(without_aqua: Office, lake: LocalLake) -> None:
    carried: dict[str, set[bool]] = {}

    class Wire(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            carried.setdefault(request.url.path.split("/")[1], set()).add("Authorization" in request.headers)
            return await super().handle_async_request(request)

    async with ZuoraSource(without_aqua.settings(), transport=Wire(), retry=IMPATIENT) as source:
        await extracted(source, lake, without_aqua.whole("product"))
    assert carried["owl-query-results"] == {False}
    assert carried["query"] == {True}


async def test_a_window_brings_its_rows_and_deletions(without_aqua: Office, lake: LocalLake) -> None:
    office = without_aqua
    request = BatchRequest(table("invoice"), Window(office.world.now - timedelta(days=20), office.world.now))
    async with office.source(overlap_seconds=0) as source:
        (manifest,) = (await extracted(source, lake, [request])).values()
        (keys,) = (await extracted(source, lake, [replace(request, scope="keys")])).values()
    lo = f"{request.window.lo:%Y-%m-%d %H:%M:%S}"
    moved = office.rows(f"SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL AND UpdatedDate >= '{lo}'")
    gone = office.rows(f"SELECT Id FROM zuora.Invoice WHERE _deleted_at >= '{lo}'")
    found = records(lake, manifest)
    assert {r["Id"] for r in found if r["_deleted"] == "false"} == {i for (i,) in moved}
    assert {r["Id"] for r in found if r["_deleted"] == "true"} == {i for (i,) in gone}
    living = {i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL")}
    assert {r["Id"] for r in records(lake, keys, "keys")} == living


async def test_new_fields_that_are_refused_are_left_out(busy_office: Office, lake: LocalLake) -> None:
    office = busy_office
    office.widened("product", "Colour__c VARCHAR", "Size__c VARCHAR DEFAULT 'L'")
    office.tenant.options.aqua_allowed = False
    (request,) = office.whole("product")

    def vanish() -> None:
        office.tenant.options.hidden = frozenset({"Product.Colour__c"})

    async with office.source() as source:
        office.faults.arm(ASK, act=vanish)
        wanted = [replace(request, extra=("Colour__c", "Size__c"))]
        (manifest,) = (await extracted(source, lake, wanted)).values()
    assert "Size__c" in manifest.parts[0].header
    assert "Colour__c" not in manifest.parts[0].header


async def test_where_the_deleted_column_is_refused_the_keys_are_fetched(without_aqua: Office, lake: LocalLake) -> None:
    office = without_aqua
    failed = {"data": {"id": "1", "queryStatus": "failed", "errorMessage": "Column 'deleted' cannot be resolved"}}
    request = BatchRequest(table("invoice"), Window(office.world.now - timedelta(days=1), office.world.now))
    async with office.source() as source:
        office.faults.arm(LOOK, body=failed)
        (manifest,) = (await extracted(source, lake, [request])).values()
    assert {part.kind for part in manifest.parts} == {"rows", "keys"}
    assert "_deleted" not in manifest.parts[0].header


async def test_a_result_whose_address_expired_is_made_anew(without_aqua: Office, lake: LocalLake) -> None:
    async with without_aqua.source() as source:
        without_aqua.faults.arm(RESULT, act=without_aqua.tenant.data_queries.forget_files)
        (manifest,) = (await extracted(source, lake, without_aqua.whole("product"))).values()
    assert manifest.rows == len(without_aqua.rows("SELECT 1 FROM zuora.Product"))


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (ASK, {"status": 429, "headers": {"Retry-After": "1"}}),
        (LOOK, {"status": 200, "body": {"success": False, "reasons": [{"code": 60000061, "message": "temporary"}]}}),
        (RESULT, {"truncate_after": 50}),
        (RESULT, {"status": 503}),
    ],
    ids=["refused", "in 200", "cut", "503"],
)
async def test_a_passing_trouble_costs_a_call(
    without_aqua: Office, lake: LocalLake, call: str, fault: dict[str, Any]
) -> None:
    async with without_aqua.source() as source:
        without_aqua.faults.arm(call, **fault)
        (manifest,) = (await extracted(source, lake, without_aqua.whole("product"))).values()
    assert manifest.rows == len(without_aqua.rows("SELECT 1 FROM zuora.Product"))


async def test_a_query_that_fails_fails_its_table_alone(without_aqua: Office, lake: LocalLake) -> None:
    office = without_aqua

    def vanish() -> None:
        office.tenant.options.hidden = frozenset({"Payment.Gateway"})

    async with office.source() as source:
        office.faults.arm(ASK, act=vanish)
        errors = await failures(source, lake, office)
    assert set(errors) == {"zuora_payment"}
    assert isinstance(errors["zuora_payment"], UnknownField)


async def test_without_permission_for_either_every_table_says_so(without_aqua: Office, lake: LocalLake) -> None:
    without_aqua.tenant.options.data_query_allowed = False
    async with without_aqua.source() as source:
        errors = await failures(source, lake, without_aqua)
    assert set(errors) == set(TABLES)
    assert all(isinstance(error, PermissionMissing) for error in errors.values())


async def test_a_query_that_takes_too_long_is_cancelled(without_aqua: Office, lake: LocalLake) -> None:
    without_aqua.tenant.options.polls_until_done = 1_000_000
    async with without_aqua.source(job_deadline_seconds=0.1) as source:
        errors = await failures(source, lake, without_aqua, "product")
    assert isinstance(errors["zuora_product"], WorkFailed)
    assert any(call.startswith("DELETE /query/jobs/") for call in without_aqua.faults.seen)


async def test_queries_we_walk_away_from_are_cancelled(without_aqua: Office, lake: LocalLake) -> None:
    without_aqua.tenant.options.polls_until_done = 1_000_000
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with without_aqua.source() as source:
        without_aqua.faults.arm(LOOK, after=2, act=lambda: loop.call_soon_threadsafe(asked.set))
        task = asyncio.create_task(extracted(source, lake, without_aqua.whole("product")))
        await asyncio.wait_for(asked.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert any(call.startswith("DELETE /query/jobs/") for call in without_aqua.faults.seen)
