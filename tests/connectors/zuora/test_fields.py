"""Fields that come, go, change their type, or that Zuora describes and then refuses."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from connectors.batch import BatchRequest
from connectors.contract import DataType
from connectors.errors import SourceUnavailable, UnknownField
from connectors.lake.local import LocalLake
from connectors.source import TableState
from connectors.zuora.describe import fits
from tests.connectors.zuora.conftest import TABLES, Office, extracted, records, table
from tests.connectors.zuora.test_failures import SUBMIT, failures

DESCRIBE = "GET /v1/describe/"


def asked_with_extra(office: Office, name: str, *extra: str) -> list[BatchRequest]:
    return [replace(r, extra=extra) for r in office.whole(name)]


async def test_drift_names_what_is_gone_new_and_of_which_type(busy_office: Office) -> None:
    office = busy_office
    office.widened("payment", "Score__c DECIMAL(22,9)", "Hidden__c VARCHAR")
    office.tenant.options.hidden = frozenset({"Payment.Gateway", "Payment.Hidden__c"})
    async with office.source() as source:
        drift = await source.drift(table("payment"))
    assert (drift.missing, drift.added) == (("Gateway",), ("Score__c",))
    assert (drift.types["Score__c"], drift.types["Amount"], drift.types["UpdatedDate"]) == (
        "decimal", "decimal", "datetime",
    )  # fmt: skip


async def test_an_object_is_described_once_a_run(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        for run in (1, 2):
            requests: list[BatchRequest] = []
            for subject in TABLES.values():
                await source.drift(subject)
                requests += await source.plan(subject, TableState(), full=True)
            await extracted(source, lake, requests)
            assert sum(call.startswith(DESCRIBE) for call in office.faults.seen) == run * len(TABLES)


async def test_a_horizon_without_a_look_at_the_schema_reads_the_clock_anew(busy_office: Office) -> None:
    async with busy_office.source() as source:
        await source.drift(table("product"))
        first = await source.horizon(table("product"))
        busy_office.world.advance(1)
        assert await source.horizon(table("product")) > first


async def test_an_answer_without_a_date_gives_no_horizon(office: Office) -> None:
    """Our own clock in its place might be ahead of Zuora's."""
    async with office.source() as source:
        office.faults.arm(DESCRIBE, times=None, headers={"Date": "soon"})
        with pytest.raises(SourceUnavailable, match="carries no Date"):
            await source.horizon(table("product"))


@pytest.mark.parametrize(
    ("zuora", "column", "answer"),
    [
        ("picklist", DataType.STRING, True), ("decimal", DataType.STRING, True), ("ZOQL", DataType.STRING, True),
        ("integer", DataType.NUMERIC, True), ("decimal", DataType.NUMERIC, True), ("text", DataType.NUMERIC, False),
        ("integer", DataType.INT64, True), ("decimal", DataType.INT64, False),
        ("boolean", DataType.BOOL, True), ("picklist", DataType.BOOL, False),
        ("date", DataType.DATE, True), ("datetime", DataType.DATE, False),
        ("datetime", DataType.TIMESTAMP, True), ("date", DataType.TIMESTAMP, False),
    ],
)  # fmt: skip
def test_a_type_fits_only_where_no_value_of_it_is_lost(zuora: str, column: DataType, answer: bool) -> None:
    subject = next(c for t in TABLES.values() for c in t.columns if c.type is column)
    assert fits(zuora, subject) is answer


async def test_new_fields_come_along_and_are_named_in_the_header(busy_office: Office, lake: LocalLake) -> None:
    office = busy_office
    office.widened("product", "Colour__c VARCHAR DEFAULT 'red'", "Deleted BOOLEAN")
    async with office.source() as source:
        (manifest,) = (
            await extracted(source, lake, asked_with_extra(office, "product", "Colour__c", "Deleted"))
        ).values()
    assert manifest.parts[0].header == (*table("product").fields, "Colour__c", "Deleted", "_deleted")
    assert {r["Colour__c"] for r in records(lake, manifest)} == {"red"}


async def test_new_fields_stay_away_where_nobody_wants_them(busy_office: Office, lake: LocalLake) -> None:
    busy_office.widened("product", "Colour__c VARCHAR")
    async with busy_office.source(keep_new_fields=False) as source:
        assert (await source.drift(table("product"))).added == ("Colour__c",)
        (manifest,) = (await extracted(source, lake, asked_with_extra(busy_office, "product", "Colour__c"))).values()
    assert manifest.parts[0].header == (*table("product").fields, "_deleted")


async def test_a_field_that_is_gone_is_not_asked_for(office: Office, lake: LocalLake) -> None:
    office.tenant.options.hidden = frozenset({"Payment.Gateway"})
    (request,) = office.whole("payment")
    async with office.source() as source:
        (manifest,) = (await extracted(source, lake, [replace(request, absent=("Gateway",))])).values()
    assert "Gateway" not in manifest.parts[0].header
    assert manifest.rows == len(office.rows("SELECT 1 FROM zuora.Payment"))


@pytest.mark.parametrize("judged", ["on submission", "when run"])
async def test_new_fields_that_zuora_describes_and_refuses_are_left_out_and_all_tables_arrive(
    busy_office: Office, lake: LocalLake, judged: str
) -> None:
    office = busy_office
    office.tenant.options.judged = judged  # type: ignore[assignment]
    office.widened("product", "Colour__c VARCHAR", "Shape__c VARCHAR", "Size__c VARCHAR DEFAULT 'L'")
    office.widened("account", "Colour__c VARCHAR DEFAULT 'red'")
    office.tenant.options.refused = frozenset({"Product.Colour__c", "Product.Shape__c"})
    requests = [
        *asked_with_extra(office, "product", "Colour__c", "Shape__c", "Size__c"),
        *asked_with_extra(office, "account", "Colour__c"),
        *office.whole("invoice", "payment"),
    ]
    async with office.source() as source:
        manifests = await extracted(source, lake, requests)
        calls = office.submissions()
        again = [replace(request, label="again") for request in requests]
        await extracted(source, lake, again)
        assert office.submissions() == calls + 1, "what was refused is known for the rest of the run"
    assert set(manifests) == {r.table.name for r in requests}
    product = manifests["zuora_product"]
    assert product.parts[0].header == (*table("product").fields, "Size__c", "_deleted")
    assert "refused in queries: Colour__c, Shape__c" in product.details["warning"]
    assert "Colour__c" in manifests["zuora_account"].parts[0].header
    if judged == "on submission":
        assert len({m.details["job"] for m in manifests.values()}) == 1, "all still see one state"


async def test_a_refusal_that_names_no_field_costs_the_new_fields_of_its_table_alone(
    busy_office: Office, lake: LocalLake
) -> None:
    office = busy_office
    office.widened("product", "Colour__c VARCHAR")
    office.widened("account", "Colour__c VARCHAR")
    refusal = {"status": "error", "errorCode": "90005", "message": "There is a syntax error.", "batches": []}
    requests = [*asked_with_extra(office, "product", "Colour__c"), *asked_with_extra(office, "account", "Colour__c")]
    async with office.source() as source:
        office.faults.arm(SUBMIT, times=2, body=refusal)
        manifests = await extracted(source, lake, requests)
    assert "Colour__c" not in manifests["zuora_product"].parts[0].header
    assert "Colour__c" in manifests["zuora_account"].parts[0].header


@pytest.mark.parametrize("judged", ["on submission", "when run"])
async def test_a_field_of_the_contract_that_zuora_refuses_fails_its_table_alone(
    office: Office, lake: LocalLake, judged: str
) -> None:
    office.tenant.options.judged = judged  # type: ignore[assignment]
    office.tenant.options.refused = frozenset({"Payment.Gateway"})
    async with office.source() as source:
        errors = await failures(source, lake, office)
    assert set(errors) == {"zuora_payment"}
    assert isinstance(errors["zuora_payment"], UnknownField)
    assert office.submissions() == (3 if judged == "on submission" else 1)
    manifests = [await lake.manifest(r.prefix) for r in office.whole()]
    assert len({m.details["job"] for m in manifests if m}) == 1, "the other tables still see one state"


async def test_columns_may_come_in_another_order_and_with_others_between(office: Office, lake: LocalLake) -> None:
    def shuffled(_name: str, text: bytes) -> bytes:
        first, *rest = csv.reader(io.StringIO(text.decode(), newline=""))
        target = io.StringIO(newline="")
        writer = csv.writer(target)
        writer.writerow(["Account.Unasked", *reversed(first)])
        writer.writerows(["?", *reversed(row)] for row in rest)
        return b"\xef\xbb\xbf" + target.getvalue().encode()

    office.tenant.jobs.spoil_next(shuffled)
    async with office.source() as source:
        (manifest,) = (await extracted(source, lake, office.whole("account"))).values()
    assert manifest.parts[0].header == ("Account.Unasked", "_deleted", *reversed(table("account").fields))
    names = {r["Id"]: r["AccountNumber"] for r in records(lake, manifest)}
    assert names.items() >= dict(office.rows("SELECT Id, AccountNumber FROM zuora.Account LIMIT 20")).items()
