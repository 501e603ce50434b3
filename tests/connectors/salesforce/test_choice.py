"""By which API a query is read: REST for little and for what bulk refuses, bulk jobs for the rest; the rows are the
same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Column, Contract, DataType, Table
from connectors.errors import ConfigurationError, CountMismatch, UnknownObject, WorkFailed
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import Extract, Served, rows, window
from tests.sandbox.salesforce.tiny_world import TinyWorld, account_id

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
TYPED = Table(
    "salesforce", "sfdc_account", "", "Account",
    tuple(
        Column(name, kind, field, "", required=field == "Id")
        for name, kind, field in (
            ("id", DataType.STRING, "Id"), ("is_deleted", DataType.BOOL, "IsDeleted"),
            ("name", DataType.STRING, "Name"), ("type", DataType.STRING, "Type"),
            ("description", DataType.STRING, "Description"), ("annual_revenue", DataType.NUMERIC, "AnnualRevenue"),
            ("employees", DataType.INT64, "NumberOfEmployees"), ("is_partner", DataType.BOOL, "IsPartner"),
            ("customer_since", DataType.DATE, "Customer_Since__c"),
            ("owner_username", DataType.STRING, "Owner.Username"), ("created_date", DataType.TIMESTAMP, "CreatedDate"),
            ("system_modstamp", DataType.TIMESTAMP, "SystemModstamp"),
        )
    ),
    ("id",), "system_modstamp", deleted_flag="is_deleted",
)  # fmt: skip
FLAT = replace(TYPED, columns=tuple(c for c in TYPED.columns if "." not in c.field))
MONTH = window(JUNE, days=10)


@pytest.fixture
def world(accounts: int) -> TinyWorld:
    """At the end of the window, so that the log of deletions reaches over all of it."""
    world = TinyWorld(accounts)
    world.now = MONTH.hi
    return world


@pytest.fixture
def accounts() -> int:
    return 40


def by(manifest: Manifest) -> list[str]:
    return [query["by"].split()[0] for query in manifest.details["queries"]]


async def stg(lake: LocalLake, manifest: Manifest, path: Path, table: Table) -> list[dict[str, Any]]:
    columns = ", ".join(column.name for column in table.columns)
    async with DuckDBWarehouse(path) as warehouse:
        await warehouse.ensure(Contract((table,)))
        result = await warehouse.load(table, manifest, lake, run_id="test")
        assert result.quarantined == 0
        return await warehouse.rows(f"SELECT {columns}, _deleted FROM STG.{table.name} ORDER BY id")


class TestWhich:
    async def test_a_small_window_comes_by_rest_in_one_call_for_its_rows(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        manifest = await extract(FLAT, MONTH)
        assert by(manifest) == ["rest"]
        assert [p.format for p in manifest.parts if p.kind == "rows"] == ["jsonl"]
        assert len(rows(lake, manifest)) == manifest.source_rows == 40
        assert served.org.jobs.asked == []
        assert len([line for line in served.faults.seen if "quer" in line]) == 1

    async def test_a_small_object_comes_by_rest_once_its_size_is_known(self, served: Served, extract: Extract) -> None:
        assert by(await extract(FLAT)) == ["rest"]
        assert len([line for line in served.faults.seen if "recordCount" in line]) == 1

    async def test_a_large_object_comes_in_bulk_and_is_not_asked_for_by_rest(
        self, served: Served, extract: Extract
    ) -> None:
        assert by(await extract(FLAT, rest_below_rows=30)) == ["bulk"]
        assert not [line for line in served.faults.seen if "queryAll" in line]

    async def test_a_large_window_comes_in_bulk(self, served: Served, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract(FLAT, MONTH, rest_below_rows=30)
        assert by(manifest) == ["bulk"]
        assert len(rows(lake, manifest)) == 40

    async def test_nothing_comes_by_rest_where_it_is_turned_off(self, served: Served, extract: Extract) -> None:
        assert by(await extract(FLAT, MONTH, rest_below_rows=0)) == ["bulk"]
        assert not [line for line in served.faults.seen if "quer" in line and "jobs" not in line]

    async def test_an_org_that_does_not_tell_sizes_is_read_in_bulk(self, served: Served, extract: Extract) -> None:
        served.faults.arm("GET .*/recordCount", status=404, body=[{"errorCode": "NOT_FOUND", "message": "no"}])
        assert by(await extract(FLAT)) == ["bulk"]

    async def test_a_query_too_long_for_an_address_comes_in_bulk(
        self, served: Served, world: TinyWorld, extract: Extract, lake: LocalLake
    ) -> None:
        names = [f"Custom_Field_With_A_Rather_Long_Name_{n:03d}__c" for n in range(400)]
        for name in names:
            world.sql(f'ALTER TABLE salesforce."User" ADD COLUMN "{name}" INTEGER')
        columns = (FLAT.columns[0], *(Column(n.lower()[:-3], DataType.INT64, n, "") for n in names), FLAT.columns[-1])
        wide = replace(FLAT, name="sfdc_user", object="User", columns=columns, deleted_flag=None)
        manifest = await extract(wide)
        assert by(manifest) == ["bulk"]
        assert not [line for line in served.faults.seen if "queryAll" in line]
        assert len(rows(lake, manifest)[0]) == 402

    async def test_an_address_the_edge_finds_too_long_all_the_same_comes_in_bulk(
        self, served: Served, extract: Extract
    ) -> None:
        served.faults.arm("GET .*/queryAll", status=414, body="<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>")
        assert by(await extract(FLAT, MONTH)) == ["bulk"]

    async def test_a_bulk_query_is_never_sorted_nor_limited(self, served: Served, extract: Extract) -> None:
        await extract(FLAT, rest_below_rows=0)
        await extract(FLAT, MONTH, rest_below_rows=0)
        assert len(served.org.jobs.asked) == 2
        assert not [q for q in served.org.jobs.asked if "ORDER BY" in q.upper() or "LIMIT" in q.upper()]


class TestRefusedByBulk:
    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(unsupported_by_bulk=frozenset({"Account"}))

    async def test_the_object_comes_by_rest_whatever_its_size(self, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract(FLAT, rest_below_rows=0)
        assert by(manifest) == ["rest"]
        assert len(rows(lake, manifest)) == 40

    async def test_the_refusal_is_remembered_for_the_run(self, served: Served, lake: LocalLake) -> None:
        requests = [BatchRequest(FLAT, window(JUNE + timedelta(minutes=n), minutes=10)) for n in (0, 10, 20)]
        async with served.source(rest_below_rows=0, tables_at_once=1) as source:
            found = [manifest async for manifest in source.extract(requests, lake)]
        assert [by(manifest) for manifest in found] == [["rest"]] * 3
        assert len([line for line in served.faults.seen if line.startswith("POST") and "jobs" in line]) == 1

    async def test_what_is_too_much_for_rest_then_is_cut_in_half(
        self, served: Served, options: SalesforceOptions, extract: Extract, lake: LocalLake
    ) -> None:
        options.most_rows_in_time = 15
        manifest = await extract(FLAT, MONTH, rest_below_rows=0)
        assert [row["Id"] for row in rows(lake, manifest)] == [account_id(n) for n in range(1, 41)]
        assert set(by(manifest)) == {"rest"}

    async def test_an_object_that_neither_serves_is_said_to_be_so(self, served: Served, extract: Extract) -> None:
        body = [{"errorCode": "INVALID_TYPE", "message": "sObject type 'Account' is not supported."}]
        served.faults.arm("GET .*/queryAll", status=400, body=body)
        with pytest.raises(UnknownObject, match="is not supported"):
            await extract(FLAT, rest_below_rows=0)

    async def test_a_query_that_is_too_long_as_well_is_a_matter_for_the_contract(self, extract: Extract) -> None:
        with pytest.raises(ConfigurationError, match="too long for the REST API"):
            await extract(replace(FLAT, filter=" OR ".join(["NumberOfEmployees != 7"] * 600)))


async def test_compound_fields_of_the_contract_are_read_by_rest(extract: Extract, lake: LocalLake) -> None:
    address = Column("address", DataType.STRING, "BillingAddress", "")
    manifest = await extract(replace(FLAT, columns=(address, *FLAT.columns)), rest_below_rows=0)
    assert by(manifest) == ["rest"]
    assert rows(lake, manifest)[0]["BillingAddress"]["city"] == "London"


class TestSameRows:
    @pytest.mark.parametrize("table", [TYPED, FLAT], ids=["with a parent's field", "flat"])
    async def test_stg_is_the_same_by_either_api(
        self, served: Served, world: TinyWorld, extract: Extract, tmp_path: Path, table: Table
    ) -> None:
        world.sql(
            """UPDATE salesforce."Account" SET "AnnualRevenue" = CASE "NumberOfEmployees"
            WHEN 1 THEN 0.1 WHEN 2 THEN -0.01 WHEN 3 THEN 123456789012.34 WHEN 4 THEN 12345678901234.5
            WHEN 6 THEN 1000000000000000 WHEN 7 THEN 0 END,
            "Name" = CASE "NumberOfEmployees" WHEN 1 THEN '{"attributes":{"type":"Account"},"x":"y"},'
            WHEN 2 THEN 'null' WHEN 3 THEN e'tab\\t"quote" \\\\ back' WHEN 4 THEN '☃ 𝄞 ü' WHEN 5 THEN '001'
            WHEN 6 THEN '":12345678901234567890'
            ELSE "Name" END,
            "OwnerId" = CASE WHEN "NumberOfEmployees" % 4 = 0 THEN NULL ELSE "OwnerId" END"""
        )
        found: list[list[dict[str, Any]]] = []
        for few in (0, 2000):
            lake = LocalLake(tmp_path / str(few))
            request = BatchRequest(table, Window(None, world.now))
            async with served.source(rest_below_rows=few) as source:
                (manifest,) = [manifest async for manifest in source.extract([request], lake)]
            assert by(manifest) == ["rest" if few else "bulk"]
            found.append(await stg(lake, manifest, tmp_path / f"{few}.duckdb", table))
        assert found[0] == found[1]
        assert len(found[0]) == 40
        assert found[0][3]["name"] == "☃ 𝄞 ü"

    async def test_a_text_column_over_a_time_makes_the_table_come_in_bulk(self, extract: Extract) -> None:
        text = replace(
            FLAT, columns=(*FLAT.columns[:-2], replace(FLAT.columns[-2], type=DataType.STRING), FLAT.columns[-1])
        )
        assert by(await extract(text, MONTH)) == ["bulk"]


class TestPages:
    @pytest.fixture
    def accounts(self) -> int:
        return 4500

    async def test_all_pages_are_read_into_one_part(self, served: Served, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract(FLAT, rest_below_rows=5000)
        assert by(manifest) == ["rest"]
        assert [p.rows for p in manifest.parts] == [4500]
        assert [row["Id"] for row in rows(lake, manifest)] == [account_id(n) for n in range(1, 4501)]
        assert len([line for line in served.faults.seen if "/query/01g" in line]) == 2

    async def test_a_lost_locator_means_asking_anew(self, served: Served, extract: Extract, lake: LocalLake) -> None:
        served.faults.arm("GET .*/query/01g", after=1, act=served.org.close_cursors)
        manifest = await extract(FLAT, rest_below_rows=5000)
        assert by(manifest) == ["rest"]
        assert len({row["Id"] for row in rows(lake, manifest)}) == len(rows(lake, manifest)) == 4500

    async def test_pages_that_never_hold_what_was_counted_are_no_success(
        self, served: Served, options: SalesforceOptions, extract: Extract
    ) -> None:
        options.unsupported_by_bulk = frozenset({"Account"})
        served.faults.arm(
            "GET .*/query/01g", times=None, status=200, body={"totalSize": 4500, "done": True, "records": []}
        )
        with pytest.raises(CountMismatch, match="hold 2000 rows, it counted 4500"):
            await extract(FLAT, rest_below_rows=0)

    async def test_a_row_deleted_for_good_between_two_pages_is_no_harm(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        served.faults.arm("GET .*/query/01g", status=200, body={"totalSize": 4500, "done": True, "records": []})
        assert len(rows(lake, await extract(FLAT, rest_below_rows=5000))) == 4500

    async def test_a_query_that_times_out_by_rest_comes_in_bulk(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        body = [{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}]
        served.faults.arm("GET .*/queryAll", status=400, body=body)
        assert by(await extract(FLAT, MONTH, rest_below_rows=5000)) == ["bulk"]


async def test_an_object_too_large_for_any_piece_is_an_error(
    served: Served, options: SalesforceOptions, extract: Extract
) -> None:
    options.most_rows_in_time = 0
    with pytest.raises(WorkFailed, match="retried more than fifteen times"):
        await extract(FLAT, window(JUNE, minutes=2))
    assert served.jobs_left == 0
