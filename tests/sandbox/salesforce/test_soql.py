"""SOQL means to the model what it means to Salesforce."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.schema import Schema
from sandbox.salesforce.soql.parser import parse
from sandbox.salesforce.soql.plan import plan
from sandbox.salesforce.soql.syntax import Comparison
from tests.sandbox.salesforce.tiny_world import TinyWorld

WORLD = TinyWorld(accounts=12)


def numbers(condition: str, rest: str = "") -> list[int]:
    """Numbers of the accounts (1 to 12, without the deleted 9) that meet the condition."""
    found = plan(f"SELECT Id FROM Account WHERE {condition} {rest}", Schema(WORLD), include_deleted=False)
    rows = WORLD.sql(found.sql(), list(found.params)).fetchall()
    ids = [int(row[0][3:15]) for row in rows]
    return ids if rest else sorted(ids)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Name = 'customer 4'", [4]),
        ("NAME = 'o\\'brien & söhne'", [3]),
        ("Name = 'Acme \\\"Rockets\\\", Inc.'", [1]),
        ("Name = 'NULL'", [2]),
        ("Name LIKE 'customer 1%'", [10, 11, 12]),
        ("Name LIKE 'Customer _'", [4, 5, 6, 7, 8]),
        ("Name LIKE 'Customer \\_'", []),
        ("Type = null", [3, 6, 12]),
        ("Type != null AND NumberOfEmployees > 6", [7, 8, 10, 11]),
        ("Type != 'Customer'", [3, 6, 12]),
        ("NOT Type = 'Customer'", [3, 6, 12]),
        ("Type NOT IN ('Customer', 'Other')", [3, 6, 12]),
        ("Type IN ('Other', null)", [3, 6, 12]),
        ("AnnualRevenue >= 10002.5", [11, 12]),
        ("AnnualRevenue < 2.5e3", [1, 2]),
        ("NumberOfEmployees IN (1, 2, 99)", [1, 2]),
        ("NumberOfEmployees <> 1 AND NumberOfEmployees <= 3", [2, 3]),
        ("IsPartner = TRUE AND NumberOfEmployees < 5", [2, 4]),
        ("Customer_Since__c <= 2024-01-03", [1, 2]),
        ("SystemModstamp >= 2026-06-01T00:11:00Z", [11, 12]),
        ("SystemModstamp < 2026-06-01T00:02:00.000Z", [1]),
        ("SystemModstamp = 2026-05-31T19:05:00-05:00", [5]),
        ("SystemModstamp = 2026-06-01T05:35:00+0530", [5]),
        ("Id = '001000000000004'", [4]),
        ("Id IN ('001000000000004AAA', '001000000000009AAA')", [4]),
        ("Account.Name = 'Customer 5'", [5]),
        ("(NumberOfEmployees = 1 OR NumberOfEmployees = 2) AND IsPartner = false", [1]),
        ("NOT (NumberOfEmployees > 2 OR Name = 'NULL')", [1]),
        ("Brands__c INCLUDES ('Emma', 'Sailthru;Campaign Monitor') AND NumberOfEmployees < 6", [1, 4, 5]),
        ("Brands__c EXCLUDES ('Sailthru') AND NumberOfEmployees < 5", [3, 4]),
    ],
)
def test_conditions_choose_the_rows_that_salesforce_would(condition: str, expected: list[int]) -> None:
    assert numbers(condition) == expected


def test_order_limit_and_offset_are_obeyed() -> None:
    assert numbers("NumberOfEmployees > 0", "ORDER BY NumberOfEmployees DESC LIMIT 3") == [12, 11, 10]
    assert numbers("NumberOfEmployees > 0", "ORDER BY Id LIMIT 3 OFFSET 2") == [3, 4, 5]
    assert numbers("NumberOfEmployees > 0", "ORDER BY Type, Id LIMIT 4") == [3, 6, 12, 1]
    assert numbers("NumberOfEmployees > 0", "ORDER BY Type DESC NULLS LAST, Id DESC LIMIT 2") == [11, 10]


@pytest.mark.parametrize(
    ("soql", "code", "text"),
    [
        ("", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("… Name = 'open", "MALFORMED_QUERY", "not closed"),
        ("… Name = open", "MALFORMED_QUERY", "unexpected token: 'open'"),
        ("… Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY", "unexpected token: 'OR'"),
        ("… Name = 'a' OR Name = 'b' AND Name = 'c'", "MALFORMED_QUERY", "unexpected token: 'AND'"),
        ("SELECT Id FROM Account; DROP TABLE x", "MALFORMED_QUERY", "';'"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT * FROM Account", "MALFORMED_QUERY", "'*'"),
        ("SELECT Id, Id FROM Account", "MALFORMED_QUERY", "duplicate field selected: Id"),
        ("SELECT Id, COUNT(Name) FROM Account", "MALFORMED_QUERY", "must be grouped or aggregated"),
        ("… Type < null", "MALFORMED_QUERY", "unexpected token: 'null'"),
        ("SELECT Id FROM Nothing__c", "INVALID_TYPE", "sObject type 'Nothing__c' is not supported"),
        ("SELECT _deleted_at FROM Account", "INVALID_FIELD", "No such column '_deleted_at' on entity 'Account'"),
        ("… Foo__c = 1", "INVALID_FIELD", "No such column 'Foo__c' on entity 'Account'"),
        ("SELECT Boss.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Boss'"),
        ("SELECT Owner.Nme FROM Account", "INVALID_FIELD", "No such column 'Nme' on entity 'User'"),
        ("… SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD", "should not be enclosed in quotes"),
        ("… SystemModstamp > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("… Customer_Since__c > 2026-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date"),
        ("… Name = 5", "INVALID_FIELD", "must be of type string and should be enclosed in quotes"),
        ("… Description = 'x'", "INVALID_FIELD", "can not be filtered in a query call"),
        ("… Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        ("… NumberOfEmployees INCLUDES (1)", "INVALID_QUERY_FILTER_OPERATOR", "int field"),
    ],
)  # fmt: skip
def test_errors_are_worded_as_salesforce_words_them(soql: str, code: str, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        plan(soql.replace("…", "SELECT Id FROM Account WHERE"), Schema(WORLD), include_deleted=False)
    assert caught.value.code == code
    assert text in caught.value.message


def test_an_error_shows_where_it_is() -> None:
    with pytest.raises(ApiError) as caught:
        plan("SELECT Id, Foo FROM Account", Schema(WORLD), include_deleted=False)
    assert caught.value.message.startswith(
        "\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column"
    )


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ue000")))
def test_any_text_survives_quoting_as_a_bound_value(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    where = parse(f"SELECT Id FROM Account WHERE Name = '{escaped}'").where
    assert isinstance(where, Comparison)
    assert where.values[0].value == text
