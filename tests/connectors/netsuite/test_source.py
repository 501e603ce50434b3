"""NetSuite to the lake: whole objects, windows, pages, deletes, counts."""

from __future__ import annotations

from datetime import timedelta

from connectors.batch import BatchRequest
from connectors.lake.local import LocalLake
from connectors.progress import ProgressEvent, subscribed
from connectors.source import TableState
from connectors.window import Window
from tests.connectors.netsuite.conftest import TABLES, Office, extracted, records, table


def snapshot(office: Office, name: str) -> BatchRequest:
    return BatchRequest(table(name), Window(None, office.world.now))


async def test_a_full_extract_brings_every_row_of_every_table(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        requests = [r for t in TABLES.values() for r in await source.plan(t, TableState())]
        manifests = await extracted(source, lake, requests)
    wanted = {
        "netsuite_customers": "customer WHERE _deleted_at IS NULL",
        "netsuite_invoices": "transaction WHERE type = 'CustInvc' AND _deleted_at IS NULL",
        "netsuite_payments": "transaction WHERE type = 'CustPymt' AND _deleted_at IS NULL",
        "netsuite_subscriptions": "subscription WHERE _deleted_at IS NULL",
        "netsuite_products": "item WHERE _deleted_at IS NULL",
    }
    assert set(manifests) == set(wanted)
    for name, source_rows in wanted.items():
        ids = [int(record["id"]) for record in records(lake, manifests[name])]
        assert sorted(ids) == sorted(i for (i,) in office.rows(f"SELECT id FROM netsuite.{source_rows}"))
        assert manifests[name].source_rows == len(ids) == manifests[name].rows


async def test_every_field_of_the_contract_arrives_with_its_value(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        manifest = (await extracted(source, lake, [snapshot(office, "invoices")]))["netsuite_invoices"]
    (total, net, day, stamp, posting), = office.rows(
        "SELECT foreigntotal, custbody_amount_net, trandate, strftime(lastmodifieddate, '%Y-%m-%d %H:%M:%S'), posting "
        "FROM netsuite.transaction WHERE type = 'CustInvc' AND _deleted_at IS NULL ORDER BY id LIMIT 1"
    )  # fmt: skip
    record = records(lake, manifest)[0]
    assert [record["foreigntotal"], record["custbody_amount_net"]] == [str(total), str(net)]
    assert record["trandate"] == f"{day:%Y-%m-%d}"
    assert record["lastmodifieddate"] == stamp
    assert record["posting"] == ("T" if posting else "F")
    assert set(record) - {"links"} <= set(manifest.parts[0].header)
    assert manifest.parts[0].header == table("invoices").fields


async def test_rows_that_share_a_stamp_survive_every_page_boundary(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    window = Window(now - timedelta(days=60), now)
    async with office.source(page_rows=7, part_rows=20, overlap_seconds=0) as source:
        manifest = (await extracted(source, lake, [BatchRequest(table("invoices"), window)]))["netsuite_invoices"]
    expected = office.rows(
        "SELECT id, lastmodifieddate FROM netsuite.transaction WHERE type = 'CustInvc' AND _deleted_at IS NULL "
        f"AND lastmodifieddate >= '{window.lo:%Y-%m-%d %H:%M:%S}' AND lastmodifieddate < '{now:%Y-%m-%d %H:%M:%S}'"
    )
    assert len({stamp for _, stamp in expected}) < len(expected), "the business makes no ties"
    ids = [int(record["id"]) for record in records(lake, manifest)]
    assert sorted(ids) == sorted(i for i, _ in expected)
    assert len(manifest.parts) > 3


async def test_a_window_holds_its_start_and_not_its_end(office: Office, lake: LocalLake) -> None:
    (lo,), (hi,) = office.rows(
        "SELECT DISTINCT lastmodifieddate AT TIME ZONE 'UTC' FROM netsuite.customer WHERE _deleted_at IS NULL "
        "ORDER BY 1 LIMIT 2 OFFSET 3"
    )
    window = Window(lo, hi)
    async with office.source(overlap_seconds=0) as source:
        manifest = (await extracted(source, lake, [BatchRequest(table("customers"), window)]))["netsuite_customers"]
    stamps = {record["lastmodifieddate"] for record in records(lake, manifest)}
    assert stamps == {f"{lo:%Y-%m-%d %H:%M:%S}"}


async def test_the_next_day_brings_what_changed_and_what_was_deleted(busy_office: Office, lake: LocalLake) -> None:
    office = busy_office
    customers = table("customers")
    async with office.source() as source:
        (first,) = await source.plan(customers, TableState())
        before = records(lake, (await extracted(source, lake, [first]))["netsuite_customers"])
        gone: list[tuple[int]] = []
        for _ in range(30):
            office.world.advance(1)
            gone = office.rows("SELECT recordid FROM netsuite.DeletedRecord WHERE type = 'customer'")
            if gone:
                break
        assert gone, "no customer was deleted in a month"
        (second,) = await source.plan(customers, TableState((first.window,)))
        assert second.window.lo == first.window.hi
        manifest = (await extracted(source, lake, [second]))["netsuite_customers"]
    known = {int(r["id"]) for r in before} | {int(r["id"]) for r in records(lake, manifest)}
    dropped = {int(r["id"]) for r in records(lake, manifest, "deletes")}
    assert dropped >= {i for (i,) in gone}
    live = {i for (i,) in office.rows("SELECT id FROM netsuite.customer WHERE _deleted_at IS NULL")}
    assert known - dropped == live
    assert all(set(r) - {"links"} == {"id", "deleteddate"} for r in records(lake, manifest, "deletes"))
    assert len(records(lake, manifest)) < len(before)


async def test_there_is_nothing_to_plan_when_the_clock_stands_still(office: Office) -> None:
    async with office.source() as source:
        (request,) = await source.plan(table("products"), TableState())
        assert await source.plan(table("products"), TableState((request.window,))) == []


async def test_the_horizon_stays_behind_the_accounts_clock_by_the_lag(office: Office) -> None:
    async with office.source(lag_seconds=90) as source:
        assert await source.horizon(table("products")) == office.world.now - timedelta(seconds=90)


async def test_stamps_of_a_zone_without_summer_time_arrive_as_utc(office: Office, lake: LocalLake) -> None:
    office.account.options.time_zone = "Asia/Kolkata"
    now = office.world.now
    window = Window(now - timedelta(days=30), now)
    async with office.source(time_zone="Asia/Kolkata", overlap_seconds=0) as source:
        assert await source.horizon(table("invoices")) == now
        manifest = (await extracted(source, lake, [BatchRequest(table("invoices"), window)]))["netsuite_invoices"]
    expected = office.rows(
        "SELECT CAST(id AS VARCHAR), strftime(lastmodifieddate, '%Y-%m-%d %H:%M:%S') FROM netsuite.transaction "
        f"WHERE type = 'CustInvc' AND lastmodifieddate >= '{window.lo:%Y-%m-%d %H:%M:%S}' AND _deleted_at IS NULL "
        f"AND lastmodifieddate < '{now:%Y-%m-%d %H:%M:%S}' ORDER BY id"
    )
    assert [(str(r["id"]), r["lastmodifieddate"]) for r in records(lake, manifest)] == expected


async def test_a_batch_in_the_lake_is_not_fetched_again(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        first = await extracted(source, lake, [snapshot(office, "products")])
        calls = source.calls
        assert await extracted(source, lake, [snapshot(office, "products")]) == first
        assert source.calls == calls


async def test_an_empty_window_is_a_whole_batch_without_parts(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    request = BatchRequest(table("products"), Window(now - timedelta(seconds=1), now))
    async with office.source(overlap_seconds=0) as source:
        manifest = (await extracted(source, lake, [request]))["netsuite_products"]
    assert (manifest.parts, manifest.source_rows) == ((), 0)


async def test_no_more_calls_are_under_way_than_the_settings_allow(office: Office, lake: LocalLake) -> None:
    async with office.source(concurrency=2, page_rows=200) as source:
        await extracted(source, lake, [BatchRequest(t, Window(None, office.world.now)) for t in TABLES.values()])
    assert office.account.peak_calls == 2


async def test_progress_tells_the_rows_of_each_table(office: Office, lake: LocalLake) -> None:
    events: list[ProgressEvent] = []
    async with office.source(page_rows=100) as source:
        with subscribed(events.append):
            manifest = (await extracted(source, lake, [snapshot(office, "customers")]))["netsuite_customers"]
    assert [e.stage for e in events][-1] == "extracted"
    assert events[-1].rows == manifest.rows
    rows = [e.rows for e in events if e.stage == "extracting"]
    assert rows == sorted(rows)


async def test_drift_names_what_the_account_lacks_and_what_it_has_more(office: Office) -> None:
    office.account.options.hidden = frozenset({"customer.email", "customer.custentity_brand"})
    async with office.source() as source:
        drift = await source.drift(table("customers"))
        assert drift.missing == ("email", "custentity_brand")
        assert (await source.drift(table("products"))).missing == ()
