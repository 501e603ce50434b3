"""Queries mean what they mean in NetSuite, and what NetSuite lacks is refused in its words."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.netsuite.errors import RestError
from sandbox.netsuite.schema import Schema
from sandbox.netsuite.suiteql import Session, parse, translate
from tests.sandbox.netsuite.conftest import Served, Suite
from tests.sandbox.netsuite.tiny_world import TinyWorld

STAMP = "'YYYY-MM-DD HH24:MI:SS'"
WORLD = TinyWorld()


def run(query: str, zone: str = "UTC") -> list[tuple[object, ...]]:
    """The rows of a query, without the server."""
    translated = translate(parse(query), Session(Schema(WORLD), WORLD.now, zone))
    order = f" ORDER BY {', '.join(translated.order)}" if translated.order else ""
    columns = ", ".join(f"c{i}" for i in range(len(translated.names)))
    return WORLD.sql(f"SELECT {columns} FROM {translated.relation}{order}").fetchall()


def test_every_value_is_text_and_null_is_left_out(suite: Suite) -> None:
    first, _, third = suite.rows("SELECT * FROM customer WHERE id <= 3 ORDER BY id")
    assert first == {
        "id": "1", "entityid": "CUST1", "companyname": "Company 1", "isinactive": "F", "balancesearch": "1.5",
        "weight": "0.125", "firstorderdate": "1/2/2026", "lastmodifieddate": "6/14/2026",
    }  # fmt: skip
    assert "companyname" not in third


def test_names_come_in_lower_case_whatever_the_query_says(suite: Suite) -> None:
    (row,) = suite.rows('SELECT C.ID, c.EntityId AS "Number", c.id + 1 FROM CUSTOMER C WHERE C.Id = 1')
    assert row == {"id": "1", "number": "CUST1", "expr3": "2"}


def test_awkward_text_survives(suite: Suite) -> None:
    (row,) = suite.rows("SELECT memo FROM transaction WHERE id = 1")
    assert row == {"memo": 'it\'s "quoted", 100% \\ ünïcode'}
    assert suite.rows("SELECT id FROM transaction WHERE memo LIKE 'it''s%'") == [{"id": "1"}]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("id = 3", [3]),
        ("id <> 3 AND id < 4", [1, 2]),
        ("id != 3 AND id <= 4", [1, 2, 4]),
        ("id IN (1, 3, 99)", [1, 3]),
        ("id NOT IN (SELECT id FROM customer WHERE id > 2)", [1, 2]),
        ("id BETWEEN 2 AND 4", [2, 3, 4]),
        ("id NOT BETWEEN 2 AND 30", [1]),
        ("companyname IS NULL AND id < 10", [3, 6, 9]),
        ("companyname IS NOT NULL AND id < 4", [1, 2]),
        ("entityid LIKE 'CUST_'", [1, 2, 3, 4, 6, 7, 8, 9]),
        ("entityid NOT LIKE 'CUST%'", []),
        ("entityid LIKE 'CUST\\_' ESCAPE '\\'", []),
        ("isinactive = 'T' AND id < 7", [2, 4, 6]),
        ("(id = 1 OR id = 2) AND NOT id = 2", [1]),
        ("id = '2'", [2]),
        ("'2' = id", [2]),
        ("balancesearch = 4.5", [3]),
        ("companyname = ''", []),
        ("NVL(companyname, 'none') = 'none' AND id < 5", [3]),
        ("firstorderdate = TO_DATE('2026-01-03', 'YYYY-MM-DD')", [2, 30]),
        ("lastmodifieddate >= TO_TIMESTAMP('2026-06-14 22:29:00', 'YYYY-MM-DD HH24:MI:SS')", [29, 30]),
        ("lastmodifieddate > SYSDATE - 1 AND id < 3", [1, 2]),
        ("id = 1 AND EXISTS (SELECT 1 FROM transaction t WHERE t.entity = customer.id)", [1]),
        ("id < 9 AND NOT EXISTS (SELECT 1 FROM transaction t WHERE t.entity = customer.id)", [6, 7, 8]),
        ("ROWNUM <= 2", [1, 2]),
        ("ROWNUM < 2 AND id > 3", [4]),
    ],
)
def test_conditions(condition: str, ids: list[int]) -> None:
    assert sorted(row[0] for row in run(f"SELECT id FROM customer WHERE {condition}")) == ids


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("TO_CHAR(lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS')", "2026-06-14 22:01:00"),
        ("TO_CHAR(lastmodifieddate, 'YYYY-MM-DD\"T\"HH24:MI:SS')", "2026-06-14T22:01:00"),
        ("TO_CHAR(lastmodifieddate + 60/1440, 'HH24:MI')", "23:01"),
        ("TO_CHAR(firstorderdate, 'DD-MON-YYYY')", "02-JAN-2026"),
        ("TO_CHAR(firstorderdate)", "1/2/2026"),
        ("TO_CHAR(TRUNC(lastmodifieddate), 'YYYY-MM-DD HH24:MI')", "2026-06-14 00:00"),
        ("TO_CHAR(TRUNC(SYSDATE, 'MM'), 'YYYY-MM-DD')", "2026-06-01"),
        ("TO_CHAR(id)", "1"),
        ("UPPER(companyname) || '/' || id", "COMPANY 1/1"),
        ("companyname || NULL", "Company 1"),
        ("SUBSTR(entityid, 2, 3)", "UST"),
        ("LENGTH(entityid)", 5),
        ("REPLACE(entityid, 'CUST')", "1"),
        ("CASE isinactive WHEN 'F' THEN 'on' ELSE 'off' END", "on"),
        ("CASE WHEN id > 5 THEN 'many' END", None),
        ("NVL2(companyname, 'a', 'b')", "a"),
        ("BUILTIN.DF(isinactive)", "No"),
        ("GREATEST(id, 7)", 7),
        ("-id", -1),
        ("NULLIF(id, 1)", None),
    ],
)
def test_expressions(expression: str, value: object) -> None:
    assert run(f"SELECT {expression} FROM customer WHERE id = 1") == [(value,)]


def test_a_reference_displays_the_other_records_name() -> None:
    rows = run("SELECT t.id, BUILTIN.DF(t.entity) FROM transaction t WHERE t.id IN (4, 5) ORDER BY t.id")
    assert rows == [(4, "Company 1"), (5, "Company 2")]


def test_joins_in_both_syntaxes() -> None:
    columns = "SELECT c.id, t.id FROM customer c"
    where = "c.id IN (4, 6)"
    ansi = f"{columns} LEFT OUTER JOIN transaction t ON t.entity = c.id AND t.id < 4 WHERE {where} ORDER BY c.id"
    assert run(ansi) == [(4, 3), (6, None)]
    oracle = f"{columns}, transaction t WHERE t.entity(+) = c.id AND {where} AND c.id = 6"
    assert run(oracle) == [(6, None)]
    assert run(f"{columns}, transaction t WHERE t.entity = c.id AND c.id = 4 AND t.id < 4") == [(4, 3)]
    with pytest.raises(RestError, match="cannot be mixed"):
        run("SELECT c.id FROM customer c JOIN transaction t ON t.entity = c.id, item i WHERE i.id(+) = t.id")


def test_groups_and_their_order() -> None:
    query = "SELECT entity, COUNT(*) AS n, SUM(foreigntotal) AS s, MAX(id) FROM transaction GROUP BY entity"
    assert run(f"{query} HAVING COUNT(*) > 4 ORDER BY s DESC FETCH FIRST 1 ROWS ONLY") == [(1, 5, 600, 20)]
    assert run("SELECT COUNT(DISTINCT entity) FROM transaction") == [(4,)]
    assert run("SELECT DISTINCT type FROM transaction ORDER BY type DESC") == [("CustPymt",), ("CustInvc",)]


def test_rownum_counts_before_the_order_and_a_derived_table_keeps_its_own() -> None:
    assert run("SELECT id FROM customer WHERE ROWNUM <= 2 ORDER BY id DESC") == [(2,), (1,)]
    assert run("SELECT * FROM (SELECT id FROM customer ORDER BY id DESC) WHERE ROWNUM <= 2") == [(30,), (29,)]


def test_nulls_sort_as_oracle_sorts_them() -> None:
    ascending = run("SELECT companyname FROM customer WHERE id IN (1, 3) ORDER BY companyname")
    assert ascending == [("Company 1",), (None,)]
    assert run("SELECT companyname FROM customer WHERE id IN (1, 3) ORDER BY 1 DESC") == ascending[::-1]


def test_fetch_first_limits_the_total_as_well(suite: Suite) -> None:
    query = "SELECT id FROM customer ORDER BY id FETCH FIRST 12 ROWS ONLY"
    body = suite.post(query, limit=5, offset=10).json()
    assert (body["count"], body["totalResults"], body["hasMore"]) == (2, 12, False)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT id FROM nowhere", "Record 'nowhere' was not found"),
        ("SELECT colour FROM customer", "Field 'colour' for record 'customer' was not found"),
        ("SELECT c.colour FROM customer c", "Field 'colour' for record 'customer' was not found"),
        ("SELECT x.id FROM customer c", "Unknown identifier 'x'"),
        ("SELECT id FROM customer, transaction", "Ambiguous identifier 'id'"),
        ("SELECT id FROM customer LIMIT 5", "LIMIT is not supported"),
        ("SELECT id FROM customer ORDER BY id OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY", "OFFSET is not supported"),
        ("WITH a AS (SELECT 1 FROM DUAL) SELECT * FROM a", "starts with SELECT"),
        ("SELECT id FROM customer UNION ALL SELECT id FROM transaction", "one SELECT statement"),
        ("SELECT id FROM customer; DROP TABLE customer", "one SELECT statement"),
        ("DELETE FROM customer", "starts with SELECT"),
        ("SELECT id FROM customer WHERE", "Invalid or unsupported search"),
        ("SELECT READ_CSV('/etc/passwd') FROM DUAL", "function 'READ_CSV' is not supported"),
        ("SELECT * FROM READ_CSV('/etc/passwd')", "not supported"),
        ("SELECT id FROM information_schema.tables", "not supported"),
        ("SELECT CAST(id AS VARCHAR(5)) FROM customer", "Invalid or unsupported search"),
        ("SELECT row_number() OVER (ORDER BY id) FROM customer", "not supported"),
        ("SELECT id FROM customer WHERE lastmodifieddate > '2026-01-01'", "inconsistent datatypes"),
        ("SELECT id FROM customer WHERE firstorderdate = DATE '2026-01-01'", "not supported"),
        ("SELECT id FROM customer WHERE id = 'abc'", "invalid number"),
        ("SELECT TO_CHAR(lastmodifieddate, 'YYYY-QQQ') FROM customer", "date format not recognized"),
        ("SELECT TO_DATE('yesterday', 'YYYY-MM-DD') FROM DUAL", "literal does not match"),
        ("SELECT id, COUNT(*) FROM customer", "not a GROUP BY expression"),
        ("SELECT _deleted_at FROM customer", "was not found"),
    ],
)
def test_what_netsuite_lacks_is_refused_in_its_words(suite: Suite, query: str, words: str) -> None:
    status, code, detail = suite.error(query)
    assert (status, code) == (400, "INVALID_PARAMETER")
    assert "Search error occurred" in detail
    assert words in detail


def test_a_list_has_a_thousand_items_at_most(suite: Suite) -> None:
    def listed(n: int) -> str:
        return f"SELECT id FROM customer WHERE id IN ({', '.join(map(str, range(n)))})"

    assert len(suite.rows(listed(1000))) == 29
    assert "1000" in suite.error(listed(1001))[2]


def test_hidden_records_and_fields_look_as_if_they_were_not_there(served: Served, suite: Suite) -> None:
    served.account.options.hidden = frozenset({"transaction", "customer.companyname"})
    assert "Record 'transaction' was not found" in suite.error("SELECT id FROM transaction")[2]
    assert "Field 'companyname'" in suite.error("SELECT companyname FROM customer")[2]
    assert "companyname" not in suite.rows("SELECT * FROM customer WHERE id = 1")[0]


def test_stamps_are_shown_and_read_in_the_accounts_zone(served: Served, suite: Suite) -> None:
    served.account.options.time_zone = "America/New_York"
    clock = f"SELECT TO_CHAR(SYSDATE, {STAMP}) a, TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), {STAMP}) u FROM DUAL"
    assert suite.rows(clock) == [{"a": "2026-06-15 02:00:00", "u": "2026-06-15 06:00:00"}]
    zoned = "SELECT TO_CHAR(SYSTIMESTAMP, 'YYYY-MM-DD HH24:MI:SS TZH:TZM') AS z FROM DUAL"
    assert suite.rows(zoned) == [{"z": "2026-06-15 02:00:00 -04:00"}]
    since = f"TO_TIMESTAMP('2026-06-14 18:30:00', {STAMP})"
    row = f"SELECT id, TO_CHAR(lastmodifieddate, {STAMP}) AS t FROM customer WHERE lastmodifieddate >= {since}"
    assert suite.rows(row) == [{"id": "30", "t": "2026-06-14 18:30:00"}]


@given(
    at=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Europe/London"]),
)
@settings(max_examples=60, deadline=None)
def test_a_window_in_local_time_selects_what_it_selects_in_utc(at: datetime, zone: str) -> None:
    at = at.replace(microsecond=0, second=0)
    local = datetime.fromisoformat("2026-06-14T22:00:00+00:00").astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    bound = local + timedelta(minutes=at.minute)
    rows = run(f"SELECT id FROM customer WHERE lastmodifieddate >= TO_TIMESTAMP('{bound}', {STAMP})", zone)
    assert sorted(row[0] for row in rows) == [i for i in range(1, 31) if i >= at.minute and i != 5]


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=30))
@settings(max_examples=150, deadline=None)
def test_a_quoted_literal_means_itself(text: str) -> None:
    escaped = text.replace("'", "''")
    assert run(f"SELECT '{escaped}' AS x FROM DUAL WHERE '{escaped}' = '{escaped}'") == [(text,)]


WORDS = """
SELECT FROM customer transaction c WHERE id companyname AND OR NOT = ( ) , * 'x' 1 IN LIKE ORDER BY GROUP COUNT(*)
TO_CHAR SYSDATE NULL IS ROWNUM <= FETCH FIRST ROWS ONLY JOIN ON . || - CASE WHEN THEN END DISTINCT (+) lastmodifieddate
"""


@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=14))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_breaks_the_translator(words: list[str]) -> None:
    """Whatever is sent is answered or refused; nothing but a RestError leaves the translator."""
    with contextlib.suppress(RestError):
        translate(parse("SELECT " + " ".join(words)), Session(Schema(WORLD), WORLD.now))
