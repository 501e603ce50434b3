"""Two tables compared: each kind of difference is told, rounding is forgiven within its bounds only."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from split.verify.compare import Difference, Rounding, Side, compare

COLUMNS = {"id": "INTEGER", "name": "VARCHAR", "amount": "DOUBLE", "price": "DECIMAL(10,2)"}
ROWS = "(1, 'a', 0.1, 1.50), (2, null, 0.3, 2.00), (2, null, 0.3, 2.00), (3, 'c', null, null)"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute(f"create table old ({', '.join(f'{c} {k}' for c, k in COLUMNS.items())})")
        opened.execute(f"insert into old values {ROWS}")
        opened.execute("create table new as from old")
        yield opened


def _compare(connection: duckdb.DuckDBPyConnection, rounding: Rounding | None = None) -> Difference:
    seen = connection.execute("select column_name, data_type from duckdb_columns() where table_name = 'new'").fetchall()
    return compare(connection, Side("old", COLUMNS), Side("new", dict(seen)), key=["id"], rounding=rounding)


def test_the_same_rows_in_another_order_are_equal(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create or replace table new as from old order by id desc")
    assert _compare(connection).sentences == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("delete from new where name is null", "2 rows by key (id) are not in the new table"),
        ("insert into new values (9, 'x', 0, 0)", "1 rows by key (id) are not in the old table, such as (9,)"),
        ("insert into new values (3, 'c', null, null)", "4 rows in the old table, 5 in the new one"),
        ("create or replace table new as select distinct * from old", "4 rows in the old table, 3 in the new one"),
        ("update new set name = '' where name is null", "name: values 2 in the old table, 4 in the new one"),
        ("update new set price = 1.51 where id = 1", "price: sum 5.50 in the old table, 5.51 in the new one"),
        ("update new set amount = 0.1000001 where id = 1", "1 rows have the same key (id) and other values"),
        ("update new set amount = 0 where amount is null", "amount: values 3 in the old table, 4 in the new one"),
        ("alter table new alter id type bigint", "column id was INTEGER and is BIGINT"),
        ("alter table new drop column name", "column name is not in the new table"),
        ("alter table new add column more int", "column more is not in the old table"),
        (
            "create or replace table new as select name, id, amount, price from old",
            "the columns were in the order id, name, amount, price and are in the order name, id, amount, price",
        ),
    ],
)
def test_a_difference_is_told(connection: duckdb.DuckDBPyConnection, change: str, said: str) -> None:
    connection.execute(change)
    assert said in "\n".join(_compare(connection).sentences)


def test_floats_added_up_in_another_order_are_equal_and_counted(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("update new set amount = 0.1::double + 0.2::double where id = 2")
    found = _compare(connection)
    assert found.sentences == ()
    assert found.rounded == 2


def test_a_tolerance_that_is_too_wide_would_hide_what_the_usual_one_finds(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("update new set amount = amount * 1.000001")
    assert _compare(connection).sentences
    assert not _compare(connection, Rounding(relative=1e-3)).sentences


def test_a_decimal_is_compared_exactly_whatever_the_tolerance(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("update new set price = 2.01 where id = 2")
    assert _compare(connection, Rounding(relative=1, absolute=1)).sentences


def test_two_rows_that_swap_a_value_are_found_though_all_aggregates_agree(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("update new set name = case id when 1 then 'c' when 3 then 'a' else name end")
    found = _compare(connection)
    assert not found.aggregates
    assert (found.only_old, found.only_new) == (2, 2)
    assert found.examples[0] == "only old: id=1, name='a', amount=0.1, price=Decimal('1.50')"
