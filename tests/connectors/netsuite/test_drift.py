"""The account's schema against the contract: what is news, what is not, and that no news stops a table."""

from __future__ import annotations

import pytest

from connectors.batch import BatchRequest
from connectors.contract import Column, DataType
from connectors.drift import SchemaDrift
from connectors.lake.local import LocalLake
from connectors.netsuite.catalog import fits
from connectors.netsuite.source import SUITEQL_PATH
from connectors.window import Window
from tests.connectors.netsuite.conftest import CUSTOMER, TABLES, Office, extracted, records, table

QUERY = f"POST {SUITEQL_PATH}"


def add_fields(office: Office) -> None:
    """Three custom fields; one of them is filled in one row of thirty."""
    office.world.sql("ALTER TABLE netsuite.customer ADD COLUMN custentity_rare VARCHAR")
    office.world.sql("ALTER TABLE netsuite.customer ADD COLUMN custentity_seen TIMESTAMP")
    office.world.sql("ALTER TABLE netsuite.customer ADD COLUMN custentity_secret VARCHAR")
    office.world.sql(
        "UPDATE netsuite.customer SET custentity_rare = 'x', custentity_seen = '2026-07-01 12:30:00' WHERE id = 29"
    )
    office.account.options.unqueryable = frozenset({"customer.custentity_secret"})


async def drift_of(office: Office) -> SchemaDrift:
    async with office.source() as source:
        return await source.drift(CUSTOMER)


async def test_the_contract_as_it_is_holds_no_news_but_for_fields_it_leaves_out(office: Office) -> None:
    async with office.source() as source:
        for each in TABLES.values():
            drift = await source.drift(each)
            assert (each.name, drift.missing, drift.added) == (each.name, (), ())
            assert drift.types[each.cursor_field] == "date-time"


async def test_fields_of_other_transaction_types_are_no_news(office: Office) -> None:
    async with office.source() as source:
        known = set(table("invoices").fields)
        foreign = [f for f in table("payments").fields if f not in known]
        assert foreign
        assert not set(foreign) & set((await source.drift(table("invoices"))).added)


async def test_a_new_field_is_news_whether_or_not_a_row_has_a_value(tiny: Office) -> None:
    before = await drift_of(tiny)
    add_fields(tiny)
    after = await drift_of(tiny)
    assert set(after.added) - set(before.added) == {"custentity_rare", "custentity_seen"}
    tiny.world.sql("UPDATE netsuite.customer SET custentity_rare = NULL")
    assert await drift_of(tiny) == after
    assert after.types["custentity_seen"] == "date-time"


async def test_a_standard_field_is_news_when_a_query_may_ask_for_it(tiny: Office) -> None:
    assert set((await drift_of(tiny)).added) == {"balancesearch", "firstorderdate", "isinactive"}


async def test_standard_names_that_are_no_columns_cost_a_few_queries_and_no_more(tiny: Office) -> None:
    for number in range(9):
        tiny.world.sql(f"ALTER TABLE netsuite.customer ADD COLUMN record{number} VARCHAR")
    tiny.account.options.unqueryable = frozenset(f"customer.record{number}" for number in range(9))
    tiny.faults.seen.clear()
    assert (await drift_of(tiny)).added == ()
    assert tiny.faults.seen.count(QUERY) == 1 + 1 + 4


async def test_a_look_at_every_table_is_cheap(office: Office) -> None:
    async with office.source() as source:
        office.faults.seen.clear()
        for each in TABLES.values():
            await source.drift(each)
            await source.drift(each)
    assert office.faults.seen.count(QUERY) == 2 * len(TABLES)
    schemas = [call for call in office.faults.seen if "metadata-catalog" in call]
    assert len(schemas) == len(set(schemas))


@pytest.mark.parametrize("fault", ["denied", "down", "nonsense"])
async def test_without_a_catalog_missing_fields_are_found_and_nothing_is_guessed(tiny: Office, fault: str) -> None:
    add_fields(tiny)
    tiny.account.options.hidden = frozenset({"customer.companyname"})
    if fault == "denied":
        tiny.account.options.has_catalog = False
    else:
        tiny.faults.arm("metadata-catalog", times=None, status=500 if fault == "down" else 200, body="[1]")
    assert await drift_of(tiny) == SchemaDrift("netsuite_customers", missing=("companyname",))


async def test_names_of_the_catalog_that_are_no_names_stay_out_of_every_query(tiny: Office) -> None:
    body = {
        "properties": {
            "id FROM dual --": {"type": "string", "x-ns-custom-field": True},
            "weight": {"type": "number", "format": "double"},
            "items": {"type": "object", "properties": {"totalResults": {"type": "integer"}}},
            "entityid": "?",
        }
    }
    tiny.faults.arm("metadata-catalog", body=body)
    assert await drift_of(tiny) == SchemaDrift("netsuite_customers", types={"weight": "number"})


async def test_new_fields_are_fetched_for_the_lake_in_utc(tiny: Office, lake: LocalLake) -> None:
    add_fields(tiny)
    tiny.account.options.time_zone = "America/New_York"
    request = BatchRequest(CUSTOMER, Window(None, tiny.world.now), extra=("custentity_rare", "custentity_seen"))
    async with tiny.source(time_zone="America/New_York") as source:
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert manifest.parts[0].header == (*CUSTOMER.fields, "custentity_rare", "custentity_seen")
    (row,) = [r for r in records(lake, manifest) if r["id"] == "29"]
    assert (row["custentity_rare"], row["custentity_seen"]) == ("x", "2026-07-01 12:30:00")


async def test_new_fields_can_be_left_alone(tiny: Office, lake: LocalLake) -> None:
    add_fields(tiny)
    request = BatchRequest(CUSTOMER, Window(None, tiny.world.now), extra=("custentity_rare",))
    async with tiny.source(keep_new_fields=False) as source:
        assert "custentity_rare" in (await source.drift(CUSTOMER)).added
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert manifest.parts[0].header == CUSTOMER.fields


async def test_an_extra_field_that_is_gone_meanwhile_is_left_out(tiny: Office, lake: LocalLake) -> None:
    add_fields(tiny)
    request = BatchRequest(CUSTOMER, Window(None, tiny.world.now), extra=("custentity_gone", "custentity_rare"))
    async with tiny.source() as source:
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert manifest.parts[0].header == (*CUSTOMER.fields, "custentity_rare")
    assert list(manifest.details["fields_left_out"]) == ["custentity_gone"]
    assert manifest.rows == 29


async def test_a_query_refused_for_no_stated_reason_is_asked_without_the_extra_fields(
    tiny: Office, lake: LocalLake
) -> None:
    add_fields(tiny)
    refused = {"o:errorDetails": [{"detail": "Search error occurred: ?", "o:errorCode": "INVALID_PARAMETER"}]}
    request = BatchRequest(CUSTOMER, Window(None, tiny.world.now), extra=("custentity_rare",))
    async with tiny.source() as source:
        tiny.faults.arm(QUERY, status=400, body=refused)
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert manifest.parts[0].header == CUSTOMER.fields
    assert manifest.rows == 29


async def test_a_field_that_is_gone_is_not_asked_for(tiny: Office, lake: LocalLake) -> None:
    tiny.account.options.hidden = frozenset({"customer.companyname"})
    request = BatchRequest(CUSTOMER, Window(None, tiny.world.now), absent=("companyname",))
    async with tiny.source() as source:
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert manifest.parts[0].header == tuple(f for f in CUSTOMER.fields if f != "companyname")
    assert manifest.rows == 29


@pytest.mark.parametrize(
    ("source_type", "fitting"),
    [
        ("string", {"STRING"}),
        ("integer", {"STRING", "INT64", "NUMERIC"}),
        ("number", {"STRING", "NUMERIC"}),
        ("boolean", {"STRING", "BOOL"}),
        ("date", {"STRING", "DATE"}),
        ("date-time", {"STRING", "TIMESTAMP"}),
        ("reference", {"STRING"}),
    ],
)
def test_a_type_fits_where_every_value_of_it_does(source_type: str, fitting: set[str]) -> None:
    assert {str(t) for t in DataType if fits(source_type, Column("c", t, "c", ""))} == fitting
