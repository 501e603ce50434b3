"""Fields that come and go: what a table's drift tells, and what is asked for then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.errors import ConfigurationError, UnknownField
from connectors.lake.local import LocalLake
from connectors.salesforce.soql import LONGEST_SOQL, rows_of
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import ACCOUNT, USER, Served, rows, table
from tests.sandbox.salesforce.tiny_world import TinyWorld


@pytest.fixture(params=[0, 2000], ids=["bulk", "rest"])
def few(request: pytest.FixtureRequest) -> int:
    return request.param


async def fetch(served: Served, lake: LocalLake, request: BatchRequest, **changes: Any) -> Manifest:
    async with served.source(**changes) as source:
        try:
            (manifest,) = [manifest async for manifest in source.extract([request], lake)]
        except ExceptionGroup as group:
            (error,) = group.exceptions
            raise error from None
    return manifest


def asked(served: Served, **changes: Any) -> BatchRequest:
    return replace(BatchRequest(ACCOUNT, Window(None, served.world.now)), **changes)


class TestDrift:
    async def test_new_fields_are_told_if_a_query_may_select_them(self, served: Served, world: TinyWorld) -> None:
        world.sql('ALTER TABLE salesforce."Account" ADD COLUMN "Photo__c" BLOB')
        world.sql('ALTER TABLE salesforce."Account" ADD COLUMN "Health__c" VARCHAR')
        async with served.source() as source:
            added = (await source.drift(ACCOUNT)).added
        assert "Health__c" in added
        assert "BillingStreet" in added
        assert not {"Photo__c", "BillingAddress", "Name", "_deleted_at"} & set(added)

    async def test_formula_fields_are_among_them(self, served: Served) -> None:
        async with served.source() as source:
            drift = await source.drift(table("sfdc_opportunity", "Opportunity", "Id", "SystemModstamp"))
        assert "ARR__c" in drift.added

    async def test_types_are_told_of_all_but_parents_fields(self, served: Served) -> None:
        async with served.source() as source:
            drift = await source.drift(table("sfdc_account", "Account", "Id", "Owner.Username", "SystemModstamp"))
        assert drift.types["Id"] == "id"
        assert drift.types["SystemModstamp"] == "datetime"
        assert drift.types["AnnualRevenue"] == "currency"
        assert "Owner.Username" not in drift.types
        assert drift.missing == ()

    async def test_a_hidden_field_is_missing(self, served: Served, options: SalesforceOptions) -> None:
        options.hidden = frozenset({"User.Username"})
        async with served.source() as source:
            assert (await source.drift(USER)).missing == ("Username",)


async def test_new_fields_are_fetched_along(served: Served, lake: LocalLake, few: int) -> None:
    manifest = await fetch(served, lake, asked(served, extra=("BillingCity",)), rest_below_rows=few)
    assert {"BillingCity", "Name"} <= set(manifest.parts[0].header)
    assert rows(lake, manifest)[0]["BillingCity"] == "London"


async def test_new_fields_are_left_where_they_are_if_so_set(served: Served, lake: LocalLake) -> None:
    manifest = await fetch(served, lake, asked(served, extra=("BillingCity",)), keep_new_fields=False)
    assert sorted(manifest.parts[0].header) == sorted(ACCOUNT.fields)


async def test_absent_fields_are_not_asked_for(served: Served, world: TinyWorld, lake: LocalLake, few: int) -> None:
    world.sql('ALTER TABLE salesforce."Account" DROP COLUMN "Brands__c"')
    manifest = await fetch(served, lake, asked(served, absent=("Brands__c",)), rest_below_rows=few)
    assert "Brands__c" not in manifest.parts[0].header
    assert manifest.source_rows == 40


class TestWithdrawnBetweenDescribeAndQuery:
    def drop(self, served: Served, name: str) -> None:
        def withdraw() -> None:
            served.world.sql(f'ALTER TABLE salesforce."Account" DROP COLUMN "{name}"')

        served.faults.arm("POST .*/jobs/query$|GET .*/queryAll", act=withdraw)

    @pytest.mark.parametrize("name", ["Brands__c", "BillingCity"], ids=["of the contract", "beyond it"])
    async def test_the_rest_is_loaded(self, served: Served, lake: LocalLake, few: int, name: str) -> None:
        self.drop(served, name)
        manifest = await fetch(served, lake, asked(served, extra=("BillingCity",)), rest_below_rows=few)
        assert {"Brands__c", "BillingCity"} - set(manifest.parts[0].header) == {name}
        assert manifest.source_rows == 40
        assert served.jobs_left == 0

    async def test_a_row_without_identity_is_not(self, served: Served, lake: LocalLake, few: int) -> None:
        self.drop(served, "SystemModstamp")
        with pytest.raises(UnknownField, match="SystemModstamp"):
            await fetch(served, lake, asked(served), rest_below_rows=few)


async def test_a_new_field_that_salesforce_describes_but_refuses_is_left_out(served: Served, lake: LocalLake) -> None:
    body = [{"errorCode": "INVALID_FIELD", "message": "No such column 'BillingCity' on entity 'Account'"}]
    served.faults.arm("POST .*/jobs/query$", status=400, body=body)
    manifest = await fetch(served, lake, asked(served, extra=("BillingCity",)))
    assert sorted(manifest.parts[0].header) == sorted(ACCOUNT.fields)


async def test_a_new_field_that_bulk_does_not_serve_is_left_out_before_the_whole_object_goes_by_rest(
    served: Served, lake: LocalLake
) -> None:
    body = [{"errorCode": "API_ERROR", "message": "Selecting compound data not supported in Bulk Query"}]
    served.faults.arm("POST .*/jobs/query$", status=400, body=body)
    manifest = await fetch(served, lake, asked(served, extra=("BillingCity",)), rest_below_rows=0)
    assert sorted(manifest.parts[0].header) == sorted(ACCOUNT.fields)
    assert [query["by"].split()[0] for query in manifest.details["queries"]] == ["bulk"]


async def test_a_field_refused_again_and_again_is_an_error_in_the_end(served: Served, lake: LocalLake) -> None:
    body = [{"errorCode": "INVALID_FIELD", "message": "No such column 'Name' on entity 'Account'"}]
    served.faults.arm("POST .*/jobs/query$", status=400, body=body, times=None)
    with pytest.raises(UnknownField, match="No such column 'Name'"):
        await fetch(served, lake, asked(served, extra=("BillingCity",)))


class TestLength:
    def test_a_query_too_long_for_a_job_loses_new_fields_first(self, served: Served) -> None:
        extra = tuple(f"Field_Number_{n:05d}__c" for n in range(6000))
        request = asked(served, extra=extra)
        query = rows_of(request, request.fields, served.world.now - served.world.now)
        assert len(query.soql) <= LONGEST_SOQL
        assert query.fields[: len(ACCOUNT.fields)] == ACCOUNT.fields
        assert len(query.fields) > 4000

    def test_a_contract_too_long_for_a_job_is_told(self, served: Served) -> None:
        wide = table("sfdc_account", "Account", "Id", *(f"Field_{n:05d}__c" for n in range(8000)), "SystemModstamp")
        request = BatchRequest(wide, Window(None, served.world.now))
        with pytest.raises(ConfigurationError, match="Salesforce takes 100000"):
            rows_of(request, request.fields, served.world.now - served.world.now)
