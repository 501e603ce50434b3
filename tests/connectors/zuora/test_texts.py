"""ZOQL, job bodies, descriptions, headers and error bodies: pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Table
from connectors.errors import (
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    TruncatedBody,
    UnknownField,
    UnknownObject,
    UnreadableFile,
)
from connectors.window import Window
from connectors.zuora.aqua import Query, job_payload
from connectors.zuora.classify import DeletesUnsupported, aqua_problem, classify
from connectors.zuora.describe import parse
from connectors.zuora.download import header_of
from connectors.zuora.zoql import literal, select_keys, select_rows
from sandbox.zuora.zoql import parse as parse_zoql
from tests.connectors.zuora.conftest import TABLES, table

NOW = datetime(2026, 6, 15, 6, tzinfo=UTC)
stamps = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC))


def plain(subject: Table) -> dict[str, str]:
    return {field: field for field in subject.fields}


@given(st.sampled_from(list(TABLES.values())), stamps, stamps, st.integers(0, 86_400))
def test_every_query_selects_the_fields_of_the_contract_in_its_window(
    subject: Table, one: datetime, other: datetime, overlap: int
) -> None:
    window = Window(min(one, other), max(one, other))
    query = parse_zoql(select_rows(subject, window, timedelta(seconds=overlap), subject.fields))
    assert tuple(str(name) for name in query.names) == subject.fields
    assert query.object == subject.object
    bounds = [(part.operator, datetime.fromisoformat(part.value.text)) for part in query.where.parts]  # type: ignore[union-attr]
    assert window.lo is not None
    assert bounds == [(">=", window.lo - timedelta(seconds=overlap)), ("<", window.hi)]


def test_a_snapshot_asks_for_everything() -> None:
    text = select_rows(table("product"), Window(None, NOW), timedelta(0), table("product").fields)
    assert text.endswith(" from Product")


def test_keys_are_asked_for_without_a_window() -> None:
    filtered = replace(table("product"), filter="SKU != null")
    assert select_keys(filtered, ["Id", "UpdatedDate"]) == "select Id, UpdatedDate from Product where (SKU != null)"


def test_a_stamp_spells_its_offset_out() -> None:
    assert literal(NOW) == "'2026-06-15T06:00:00+00:00'"


def test_a_job_is_stateless_and_asks_for_tombstones() -> None:
    queries = [Query("00-x", "X", "select Id from X", deleted=True), Query("00-x-keys", "X", "select Id from X")]
    payload = job_payload(queries, "null-1")
    assert not {"partner", "project", "incrementalTime"} & set(payload)
    assert payload["nullReplacement"] == "null-1"
    assert payload["queries"][0]["deleted"] == {"column": "MgdwDeleted", "format": "Boolean"}
    assert "deleted" not in payload["queries"][1]


DESCRIPTION = b"""<?xml version="1.0" encoding="UTF-8"?>
<object href="https://rest.zuora.com/v1/describe/Invoice"><name>Invoice</name><label>Invoice</label><fields>
<field><name>Id</name><selectable>true</selectable><type>text</type><contexts><context>soap</context><context>export</context></contexts></field>
<field><name>Amount</name><selectable>true</selectable><type>decimal</type><contexts><context>export</context></contexts></field>
<field><name>Body</name><selectable>true</selectable><type>text</type><contexts><context>soap</context></contexts></field>
<field><name>AccountId</name><selectable>true</selectable><type>text</type><contexts><context>soap</context></contexts></field>
</fields><related-objects><object href="https://rest.zuora.com/v1/describe/Account"><name>Account</name></object></related-objects></object>"""


def test_a_description_says_how_each_field_is_asked_for() -> None:
    schema = parse(DESCRIPTION, NOW)
    assert schema is not None
    wanted = {"id": "Id", "Amount": "Amount", "AccountId": "Account.Id", "Account.Name": "Account.Name"}
    assert {field: schema.expression(field) for field in wanted} == wanted
    assert [schema.expression(field) for field in ("Body", "Nope", "NopeId", "Account")] == [None] * 4


def test_what_is_no_description_is_told_apart() -> None:
    assert parse(b"<errors><error>no</error></errors>", NOW) is None
    with pytest.raises(UnreadableFile):
        parse(b"not xml", NOW)


def test_a_header_gets_the_contracts_names() -> None:
    subject = table("product")
    expressions = plain(subject) | {"Category": "Family.Id"}
    cells = tuple("Family.Id" if f == "Category" else f"Product.{f}" for f in subject.fields)
    assert header_of((*cells, "MgdwDeleted", "Extra"), subject, expressions) == (*subject.fields, "_deleted", "Extra")
    with pytest.raises(UnreadableFile, match=r"lacks .*SKU"):
        header_of(("Id",), subject, expressions)
    with pytest.raises(UnreadableFile, match="has twice SKU"):
        header_of((*cells, "SKU"), subject, expressions)


def answer(status: int, body: Any, **headers: str) -> httpx.Response:
    request = httpx.Request("GET", "https://rest.zuora.com/v1/batch-query/jobs/1")
    if isinstance(body, bytes):
        return httpx.Response(status, content=body, headers=headers, request=request)
    return httpx.Response(status, json=body, headers=headers, request=request)


def reasons(code: int) -> dict[str, Any]:
    return {"success": False, "processId": "1", "reasons": [{"code": code, "message": "?"}]}


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(200, reasons(50000061)), SourceUnavailable),
        (answer(200, reasons(50000070)), RateLimited),
        (answer(200, reasons(50000010)), PermissionMissing),
        (answer(200, reasons(50000040)), UnknownObject),
        (answer(401, reasons(90000011)), CredentialsRefused),
        (answer(200, reasons(50000020)), MgdwError),
        (answer(400, {"Errors": [{"Code": "INVALID_VALUE", "Message": "?"}], "Success": False}), MgdwError),
        (answer(200, b"<html>maintenance</html>"), SourceUnavailable),
        (answer(200, b'{"id": "1", "status'), TruncatedBody),
        (answer(503, b"<html>down</html>"), SourceUnavailable),
    ],
)
def test_an_error_body_has_one_meaning_whatever_its_status(response: httpx.Response, kind: type[MgdwError]) -> None:
    assert type(classify(response)) is kind


def test_answers_that_are_fine_are_no_errors() -> None:
    assert classify(answer(200, {"success": True})) is None
    assert classify(answer(200, {"id": "1", "status": "error", "errorCode": "90005"})) is None
    assert classify(answer(200, DESCRIPTION, **{"Content-Type": "application/xml"})) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("90005", UnknownField),
        ("90009", PermissionMissing),
        ("90012", DeletesUnsupported),
        ("90017", DeletesUnsupported),
    ],
)
def test_aquas_codes_are_understood(code: str, kind: type[MgdwError]) -> None:
    assert type(aqua_problem({"status": "error", "errorCode": code, "message": "?"}, "a job")) is kind
    assert aqua_problem({"status": "submitted", "id": "1"}, "a job") is None
