"""Zuora to the lake: whole objects, windows, tombstones, counts, one job."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.batch import BatchRequest
from connectors.lake.local import LocalLake
from connectors.progress import ProgressEvent, subscribed
from connectors.source import TableState
from connectors.window import Window
from tests.connectors.zuora.conftest import TABLES, Office, extracted, records, table


async def test_a_full_extract_brings_every_row_of_every_object_in_one_job(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        requests = [r for t in TABLES.values() for r in await source.plan(t, TableState())]
        manifests = await extracted(source, lake, requests)
    assert set(manifests) == set(TABLES)
    assert office.submissions() == 1
    assert len({m.details["job"] for m in manifests.values()}) == 1
    for name, manifest in manifests.items():
        found = records(lake, manifest)
        live = [r["Id"] for r in found if r["_deleted"] == "false"]
        wanted = office.rows(f'SELECT Id FROM zuora."{TABLES[name].object}" WHERE _deleted_at IS NULL ORDER BY Id')
        assert sorted(map(str, live)) == [i for (i,) in wanted]
        assert manifest.source_rows == manifest.rows == len(found)


async def test_values_arrive_as_they_are_and_null_is_not_the_empty_text(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        manifest = (await extracted(source, lake, office.whole("subscription")))["zuora_subscription"]
    by_id = {r["Id"]: r for r in records(lake, manifest)}
    rows = office.rows(
        "SELECT Id, MRR__c, ContractEffectiveDate, CancelledDate, Version FROM zuora.Subscription LIMIT 50"
    )
    assert any(cancelled is None for *_, cancelled, _ in rows)
    for key, mrr, effective, cancelled, version in rows:
        assert by_id[key]["MRR__c"] == str(mrr)
        assert by_id[key]["ContractEffectiveDate"] == str(effective)
        assert by_id[key]["CancelledDate"] == (str(cancelled) if cancelled else None)
        assert by_id[key]["Version"] == str(version)


@pytest.mark.parametrize("style", ["plain", "prefixed"])
async def test_both_styles_of_header_mean_the_same_fields(office: Office, lake: LocalLake, style: str) -> None:
    office.tenant.options.header_style = style  # type: ignore[assignment]
    async with office.source() as source:
        manifest = (await extracted(source, lake, office.whole("account")))["zuora_account"]
    assert set(manifest.parts[0].header) == {*table("account").fields, "_deleted"}


async def test_a_result_in_several_files_becomes_several_parts(office: Office, lake: LocalLake) -> None:
    office.tenant.options.segment_rows = 40
    async with office.source() as source:
        manifest = (await extracted(source, lake, office.whole("account")))["zuora_account"]
    assert len(manifest.parts) > 1
    assert {p.rows for p in manifest.parts[:-1]} == {40}
    assert len({r["Id"] for r in records(lake, manifest)}) == manifest.source_rows


async def test_a_window_is_read_in_utc_whatever_the_tenants_zone(office: Office, lake: LocalLake) -> None:
    office.tenant.options.time_zone = "Asia/Tokyo"
    (lo,), (hi,) = office.rows(
        "SELECT UpdatedDate AT TIME ZONE 'UTC' FROM (SELECT DISTINCT UpdatedDate FROM zuora.Invoice "
        "ORDER BY 1 LIMIT 2 OFFSET 5) ORDER BY 1"
    )
    async with office.source(overlap_seconds=0) as source:
        manifest = (await extracted(source, lake, [BatchRequest(table("invoice"), Window(lo, hi))]))["zuora_invoice"]
    wanted = office.rows(f"SELECT Id FROM zuora.Invoice WHERE UpdatedDate = '{lo:%Y-%m-%d %H:%M:%S}' ORDER BY Id")
    assert sorted(str(r["Id"]) for r in records(lake, manifest)) == [i for (i,) in wanted]


async def test_tables_with_different_windows_share_the_job(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    requests = [
        BatchRequest(table("product"), Window(None, now)),
        BatchRequest(table("invoice"), Window(now - timedelta(days=30), now)),
        BatchRequest(table("payment"), Window(now - timedelta(days=3), now)),
    ]
    async with office.source() as source:
        manifests = await extracted(source, lake, requests)
    assert office.submissions() == 1
    assert 0 < manifests["zuora_invoice"].rows < len(office.rows("SELECT 1 FROM zuora.Invoice"))


async def test_more_than_fifty_windows_go_in_several_jobs(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    requests = [
        BatchRequest(table("product"), Window(now - timedelta(days=n + 1), now - timedelta(days=n)), label="backfill")
        for n in range(60)
    ]
    async with office.source() as source:
        batches = [manifest.batch_id async for manifest in source.extract(requests, lake)]
    assert sorted(batches) == sorted(r.batch_id for r in requests)
    assert office.submissions() == 2


async def test_a_deleted_row_comes_as_a_tombstone_on_the_next_day(busy_office: Office, lake: LocalLake) -> None:
    office = busy_office
    invoices = table("invoice")
    async with office.source() as source:
        (request,) = await source.plan(invoices, TableState())
        known = {r["Id"] for r in records(lake, (await extracted(source, lake, [request]))["zuora_invoice"])}
        gone: set[str] = set()
        dropped: set[str | None] = set()
        for _ in range(40):
            office.world.advance(1)
            (request,) = await source.plan(invoices, TableState((request.window,)))
            found = records(lake, (await extracted(source, lake, [request]))["zuora_invoice"])
            known |= {r["Id"] for r in found if r["_deleted"] == "false"}
            dropped |= {r["Id"] for r in found if r["_deleted"] == "true"}
            gone = {i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NOT NULL")}
            if gone:
                break
    assert gone, "no draft was deleted in forty days"
    assert gone <= dropped
    assert known - dropped == {i for (i,) in office.rows("SELECT Id FROM zuora.Invoice WHERE _deleted_at IS NULL")}


async def test_a_tenant_that_shows_no_deleted_rows_is_read_without_them_and_says_so(
    office: Office, lake: LocalLake
) -> None:
    office.tenant.options.stateless_deletes = False
    async with office.source() as source:
        manifests = await extracted(source, lake, office.whole("account", "product"))
    for manifest in manifests.values():
        assert "90012" in manifest.details["warning"]
        assert "_deleted" not in manifest.parts[0].header


async def test_the_horizon_is_zuoras_clock_less_the_lag(office: Office) -> None:
    async with office.source(lag_seconds=60) as source:
        assert await source.horizon(table("product")) == office.world.now - timedelta(seconds=60)


async def test_a_batch_in_the_lake_is_not_fetched_again(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        first = await extracted(source, lake, office.whole("product"))
        calls = source.calls
        assert await extracted(source, lake, office.whole("product")) == first
        assert source.calls == calls


async def test_an_empty_window_is_a_whole_batch(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    request = BatchRequest(table("product"), Window(now, now))
    async with office.source(overlap_seconds=0) as source:
        manifest = (await extracted(source, lake, [request]))["zuora_product"]
    assert (manifest.source_rows, manifest.rows) == (0, 0)


async def test_drift_names_what_the_tenant_lacks(office: Office) -> None:
    office.tenant.options.hidden = frozenset({"Payment.Gateway", "Payment.Brand__c"})
    async with office.source() as source:
        assert (await source.drift(table("payment"))).missing == ("Brand__c", "Gateway")
        assert (await source.drift(table("account"))).missing == ()


async def test_progress_goes_from_waiting_to_extracted(office: Office, lake: LocalLake) -> None:
    events: list[ProgressEvent] = []
    async with office.source() as source:
        with subscribed(events.append):
            manifest = (await extracted(source, lake, office.whole("account")))["zuora_account"]
    assert (events[0].stage, events[-1].stage) == ("waiting", "extracted")
    assert (events[-1].rows, events[-1].bytes) == (manifest.rows, manifest.bytes)
