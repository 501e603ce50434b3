"""SuiteQL texts: what they ask for, and that nothing in them can be misread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from connectors.contract import Column, DataType, Table
from connectors.errors import ConfigurationError
from connectors.netsuite.clock import FixedZone, fixed_zone
from connectors.netsuite.suiteql import (
    count_query,
    deleted_types,
    deletes_query,
    key_column,
    probe_query,
    quoted,
    rows_query,
)
from connectors.window import Window
from tests.connectors.netsuite.conftest import TABLES

UTC_ZONE = FixedZone()
HALF_HOUR = timedelta(minutes=30)
stamps = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC))
windows = st.tuples(stamps, stamps).map(lambda pair: Window(min(pair), max(pair)))
zones = st.integers(-48, 56).map(lambda quarters: FixedZone(timedelta(minutes=15 * quarters)))
overlaps = st.integers(0, 86_400).map(lambda seconds: timedelta(seconds=seconds))
tables = st.sampled_from(list(TABLES.values()))


def test_a_window_reads_like_this() -> None:
    columns = (
        Column("id", DataType.INT64, "id", "", required=True),
        Column("name", DataType.STRING, "name", ""),
        Column("day", DataType.DATE, "trandate", ""),
        Column("moved", DataType.TIMESTAMP, "lastmodifieddate", ""),
    )
    table = Table("netsuite", "t", "", "transaction", columns, ("id",), cursor="moved", filter="type = 'CustInvc'")
    window = Window(datetime(2026, 6, 15, 6, tzinfo=UTC), datetime(2026, 6, 16, 6, tzinfo=UTC))
    assert rows_query(table, window, HALF_HOUR, UTC_ZONE, 41) == (
        "SELECT id, name, TO_CHAR(trandate, 'YYYY-MM-DD') AS trandate, "
        "TO_CHAR(lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS lastmodifieddate FROM transaction "
        "WHERE (type = 'CustInvc') "
        "AND lastmodifieddate >= TO_TIMESTAMP('2026-06-15 05:30:00', 'YYYY-MM-DD HH24:MI:SS') "
        "AND lastmodifieddate < TO_TIMESTAMP('2026-06-16 06:00:00', 'YYYY-MM-DD HH24:MI:SS') "
        "AND id > 41 ORDER BY id"
    )
    assert rows_query(table, Window(None, window.hi), HALF_HOUR, UTC_ZONE, None).endswith(
        "FROM transaction WHERE (type = 'CustInvc') ORDER BY id"
    )


@given(tables, windows, overlaps, zones, st.none() | st.integers(0, 10**12))
def test_every_query_is_one_select_of_the_tables_fields(
    table: Table, window: Window, overlap: timedelta, zone: FixedZone, after: int | None
) -> None:
    tree = parse_one(rows_query(table, window, overlap, zone, after), dialect="oracle")
    assert isinstance(tree, exp.Select)
    assert tuple(column.alias_or_name for column in tree.expressions) == table.fields
    assert [key.this.name for key in tree.args["order"].expressions] == [key_column(table).field]
    for text in (count_query(table, window, overlap, zone), deletes_query(table, window, overlap, zone, after)):
        assert isinstance(parse_one(text, dialect="oracle"), exp.Select)
    assert isinstance(parse_one(probe_query(table, table.fields), dialect="oracle"), exp.Select)


@given(stamps, zones)
def test_a_literal_names_the_same_instant_in_the_accounts_time(stamp: datetime, zone: FixedZone) -> None:
    text = zone.literal(stamp).split("'")[1]
    assert datetime.fromisoformat(text).replace(tzinfo=UTC) - zone.offset == stamp


@given(st.text())
def test_a_quoted_text_is_read_as_one_literal(text: str) -> None:
    inner = quoted(text)[1:-1]
    assert inner.replace("''", "").count("'") == 0
    assert inner.replace("''", "'") == text


@pytest.mark.parametrize(
    ("name", "minutes"), [("UTC", 0), ("Etc/GMT+5", -300), ("Asia/Kolkata", 330), ("America/Phoenix", -420)]
)
def test_zones_without_summer_time_have_one_offset(name: str, minutes: int) -> None:
    assert fixed_zone(name, datetime(2026, 6, 15, tzinfo=UTC)) == FixedZone(timedelta(minutes=minutes))


@pytest.mark.parametrize("name", ["Europe/London", "America/Los_Angeles", "Australia/Sydney", "No/Where", "../etc"])
def test_zones_with_summer_time_and_unknown_ones_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        fixed_zone(name, datetime(2026, 1, 15, tzinfo=UTC))


def test_a_table_without_one_numeric_key_is_refused() -> None:
    text_key = Table("netsuite", "t", "", "x", (Column("id", DataType.STRING, "id", ""),), ("id",))
    with pytest.raises(ConfigurationError, match="INT64"):
        key_column(text_key)


def test_every_table_knows_how_its_deletions_are_named() -> None:
    assert {name: deleted_types(table)[0] for name, table in TABLES.items()} == {
        "netsuite_customers": "customer",
        "netsuite_invoices": "invoice",
        "netsuite_payments": "customerpayment",
        "netsuite_subscriptions": "subscription",
        "netsuite_products": "inventoryitem",
    }
