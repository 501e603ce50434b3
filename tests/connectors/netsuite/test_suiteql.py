"""SuiteQL texts: what they ask for, and that nothing in them can be misread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from connectors.batch import BatchRequest
from connectors.contract import Column, DataType, Table
from connectors.errors import ConfigurationError
from connectors.netsuite.suiteql import (
    Key,
    Selection,
    deleted_types,
    deletes_selection,
    key_columns,
    keys_selection,
    probe_query,
    quoted,
    rows_selection,
)
from connectors.netsuite.zone import Zone, zone_named
from connectors.window import Window
from tests.connectors.netsuite.conftest import TABLES

UTC_ZONE = Zone()
HALF_HOUR = timedelta(minutes=30)
stamps = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC))
windows = st.tuples(stamps, stamps).map(lambda pair: Window(min(pair), max(pair)))
zones = st.integers(-48, 56).map(lambda quarters: Zone(timedelta(minutes=15 * quarters))) | st.sampled_from(
    [zone_named(name, 2036) for name in ("America/New_York", "Australia/Sydney")]
)
overlaps = st.integers(0, 86_400).map(lambda seconds: timedelta(seconds=seconds))
tables = st.sampled_from(list(TABLES.values()))


def rows_of(table: Table, window: Window, overlap: timedelta = HALF_HOUR, zone: Zone = UTC_ZONE) -> Selection:
    return rows_selection(BatchRequest(table, window), table.fields, {}, overlap, zone)


def made(*columns: Column, name: str = "transaction", key: Sequence[str] = ("id",), **more: str | None) -> Table:
    return Table("netsuite", "t", "", name, columns, tuple(key), **more)  # type: ignore[arg-type]


ID = Column("id", DataType.INT64, "id", "", required=True)
MOVED = Column("moved", DataType.TIMESTAMP, "lastmodifieddate", "")


def test_a_window_reads_like_this() -> None:
    columns = (
        ID,
        Column("name", DataType.STRING, "name", ""),
        Column("day", DataType.DATE, "trandate", ""),
        MOVED,
    )
    table = made(*columns, cursor="moved", filter="type = 'CustInvc'")
    window = Window(datetime(2026, 6, 15, 6, tzinfo=UTC), datetime(2026, 6, 16, 6, tzinfo=UTC))
    assert rows_of(table, window).page((41,)) == (
        "SELECT id, name, TO_CHAR(trandate, 'YYYY-MM-DD') AS trandate, "
        "TO_CHAR(lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS lastmodifieddate FROM transaction "
        "WHERE (type = 'CustInvc') "
        "AND lastmodifieddate >= TO_TIMESTAMP('2026-06-15 05:30:00', 'YYYY-MM-DD HH24:MI:SS') "
        "AND lastmodifieddate < TO_TIMESTAMP('2026-06-16 06:00:00', 'YYYY-MM-DD HH24:MI:SS') "
        "AND id > 41 ORDER BY id"
    )
    snapshot = rows_of(table, Window(None, window.hi))
    assert snapshot.page().endswith("FROM transaction WHERE (type = 'CustInvc') ORDER BY id")
    assert snapshot.count((3,), (9,)).endswith("FROM transaction WHERE (type = 'CustInvc') AND id > 3 AND id <= 9")


def test_lines_are_read_by_transaction_and_with_all_their_siblings() -> None:
    key = Column("transaction_id", DataType.INT64, "transaction", "")
    moved = Column("moved", DataType.TIMESTAMP, "linelastmodifieddate", "")
    lines = made(key, ID, moved, name="transactionline", key=("transaction_id", "id"), cursor="moved")
    page = rows_of(lines, Window(None, datetime(2026, 6, 16, tzinfo=UTC))).page((7, 2), (9,))
    assert page.endswith(
        "FROM transactionline WHERE (transaction > 7 OR (transaction = 7 AND id > 2)) AND transaction <= 9 "
        "ORDER BY transaction, id"
    )
    window = Window(datetime(2026, 6, 15, tzinfo=UTC), datetime(2026, 6, 16, tzinfo=UTC))
    text = rows_of(lines, window).page()
    assert "transaction IN (SELECT transaction FROM transactionline WHERE linelastmodifieddate >= " in text
    assert "OR transaction IN (SELECT id FROM transaction WHERE lastmodifieddate >= " in text
    assert deleted_types(lines) == ()


@given(tables, windows, overlaps, zones, st.none() | st.integers(0, 10**12).map(lambda n: (n,)))
@settings(max_examples=15, deadline=None)
def test_every_query_is_one_select_of_the_fields_asked_for(
    table: Table, window: Window, overlap: timedelta, zone: Zone, after: Key | None
) -> None:
    selection = rows_of(table, window, overlap, zone)
    tree = parse_one(selection.page(after), dialect="oracle")
    assert isinstance(tree, exp.Select)
    assert tuple(column.alias_or_name for column in tree.expressions) == table.fields == selection.header
    assert [key.this.name for key in tree.args["order"].expressions] == [c.field for c in key_columns(table)]
    keys = keys_selection(table, window.hi, zone)
    assert keys.header == ("id", table.cursor_field)
    for each in (selection, keys, deletes_selection(table, window, overlap, zone)):
        for text in (each.count(after), each.extent(), each.buckets(5, 10)):
            assert isinstance(parse_one(text, dialect="oracle"), exp.Select)
    assert isinstance(parse_one(probe_query(table, table.fields), dialect="oracle"), exp.Select)


@given(st.text())
def test_a_quoted_text_is_read_as_one_literal(text: str) -> None:
    inner = quoted(text)[1:-1]
    assert inner.replace("''", "").count("'") == 0
    assert inner.replace("''", "'") == text


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_names_of_deleted_records_are_quoted(names: list[str]) -> None:
    window = Window(datetime(2026, 6, 15, tzinfo=UTC), datetime(2026, 6, 16, tzinfo=UTC))
    text = deletes_selection(TABLES["netsuite_products"], window, HALF_HOUR, UTC_ZONE, names).page()
    assert f"LOWER(type) IN ({', '.join(quoted(name) for name in names)})" in text


@pytest.mark.parametrize("name", ["x FROM dual --", "a, b", "a'b", "", "1a", 'a"', "f(x)"])
def test_a_field_that_is_no_name_never_gets_into_a_query(name: str) -> None:
    window = Window(None, datetime(2026, 6, 16, tzinfo=UTC))
    with pytest.raises(ConfigurationError, match="no name"):
        rows_selection(BatchRequest(made(ID, MOVED), window), ("id", name), {}, HALF_HOUR, UTC_ZONE)
    with pytest.raises(ConfigurationError, match="no name"):
        rows_of(made(ID, MOVED, name=name), window)
    with pytest.raises(ConfigurationError, match="no name"):
        probe_query(made(ID, MOVED), (name,))


def test_a_table_without_numeric_keys_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="INT64"):
        key_columns(made(Column("id", DataType.STRING, "id", "")))


def test_every_table_knows_how_its_deletions_are_named() -> None:
    assert {name: deleted_types(table)[0] for name, table in TABLES.items()} == {
        "netsuite_customers": "customer",
        "netsuite_invoices": "invoice",
        "netsuite_payments": "customerpayment",
        "netsuite_subscriptions": "subscription",
        "netsuite_products": "inventoryitem",
    }
