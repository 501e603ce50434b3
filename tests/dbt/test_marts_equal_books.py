"""The marts against the company's own books, which are kept apart from the rows it serves."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from sandbox.world import World
from tests.dbt.conftest import Dbt
from tests.dbt.stg_from_world import fill_stg

COMMERCIAL = ("Campaign Monitor", "Emma")
EXECUTIVE = ("arr", "bookings", "invoiced", "invoiced_net", "collected")
FINANCE = ("invoiced", "invoiced_net", "collected")
USAGE = ("mailings_sent", "emails_sent", "emails_delivered")
Figures = dict[Any, Decimal | int]


def figures(warehouse: Path, mart: str, measure: str, key: str) -> Figures:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(f"SELECT {key}, sum({measure}) FROM EDW.{mart} GROUP BY ALL").fetchall()
    return {tuple(row[:-1]): row[-1] for row in rows if row[-1]}


def commercial(book: dict[Any, Any]) -> Figures:
    return {key: value for key, value in book.items() if key[0] in COMMERCIAL and value}


def assert_equal_to_the_books(warehouse: Path, world: World) -> None:
    books = world.books()
    key = "brand, month_start, currency"
    for measure in EXECUTIVE:
        own = commercial(getattr(books, measure))
        assert own, f"the books have no {measure}"
        assert figures(warehouse, "mart_executive", measure, key) == own, measure
    for measure in FINANCE:
        assert figures(warehouse, "mart_finance", measure, key) == commercial(getattr(books, measure)), measure
    for measure in USAGE:
        own = commercial({k: numbers.get(measure, 0) for k, numbers in books.usage.items()})
        assert own, f"the books have no {measure}"
        mart = figures(warehouse, "mart_customer_success", measure, "brand, month_start")
        assert {k: v for k, v in mart.items() if measure != "mailings_sent" or k[0] == "Emma"} == own, measure
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        as_of = connection.execute("SELECT DISTINCT as_of_date FROM EDW.mart_executive").fetchall()
    assert as_of == [(books.as_of,)]


def test_the_marts_of_day_one_equal_the_books_to_the_cent_and_the_unit(day_one: Dbt, world: World) -> None:
    assert not day_one.failed
    assert_equal_to_the_books(day_one.warehouse, world)


def test_the_marts_follow_the_books_over_the_next_days(tmp_path: Path, day_one: Dbt) -> None:
    world = World.create()
    dbt = day_one.copy(tmp_path)
    world.advance(1)
    fill_stg(dbt.warehouse, world)
    dbt("run")
    assert_equal_to_the_books(dbt.warehouse, world)
    world.advance(5)
    fill_stg(dbt.warehouse, world)
    for layer in ("ods", "edw"):
        dbt.build_layer(layer)
        assert not dbt.failed, layer
    assert_equal_to_the_books(dbt.warehouse, world)
    world.close()
