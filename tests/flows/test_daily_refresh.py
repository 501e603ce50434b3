"""Two days of the whole program, told in order: every test stands on the ones before it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from flows.daily_refresh import DailySummary, daily_refresh
from tests.flows.conftest import Stage

COMMERCIAL = ("Campaign Monitor", "Emma")
ENTERPRISE = ("Sailthru", "Cheetah Digital", "Selligent")


@pytest.fixture(scope="module")
def first_day(stage: Stage) -> DailySummary:
    return stage.run(daily_refresh, full=True)


def _mart(stage: Stage, mart: str, measure: str) -> dict[tuple[str, date, str], Decimal]:
    rows = stage.rows(f"SELECT brand, month_start, currency, {measure} FROM EDW.{mart}")
    return {(brand, month, currency): Decimal(value or 0) for brand, month, currency, value in rows if value}


def _own(books: dict[tuple[str, date, str], Any]) -> dict[tuple[str, date, str], Decimal]:
    return {key: Decimal(value) for key, value in books.items() if key[0] in COMMERCIAL and value}


def _assert_marts_equal_books(stage: Stage) -> None:
    books = stage.sandbox.world.books()
    for measure in ("arr", "bookings", "invoiced", "collected"):
        assert _mart(stage, "mart_executive", measure) == _own(getattr(books, measure)), measure
    for measure in ("invoiced", "invoiced_net", "collected"):
        assert _mart(stage, "mart_finance", measure) == _own(getattr(books, measure)), measure
    sent = stage.rows("SELECT brand, month_start, sum(emails_sent) FROM EDW.mart_customer_success GROUP BY ALL")
    usage = {(brand, month): count for brand, month, count in sent if count}
    assert usage == {key: value["emails_sent"] for key, value in books.usage.items() if key[0] in COMMERCIAL}


def test_the_first_day_loads_every_table_and_every_row(stage: Stage, first_day: DailySummary) -> None:
    assert not first_day.failures
    assert len({r.table for r in first_day.loads}) == 21
    for result in first_day.loads:
        # On the first day all deletions come as rows.
        told = result.inserted + result.updated + result.deleted + result.unchanged + result.stale + result.quarantined
        assert result.read == told, result.table


def test_the_marts_equal_the_books_on_day_one(stage: Stage, first_day: DailySummary) -> None:
    _assert_marts_equal_books(stage)


def test_tableau_has_refreshed_every_mart_and_the_files_are_there(stage: Stage, first_day: DailySummary) -> None:
    assert Counter(r.state for r in first_day.refreshes) == {"refreshed": 5}
    assert len(list((stage.home / "hyper").glob("*.hyper"))) == 5


def test_running_everything_twice_changes_nothing(stage: Stage, first_day: DailySummary) -> None:
    before = stage.content()
    again = stage.run(daily_refresh, full=True)
    assert sum(r.changed for r in again.loads) == 0
    assert stage.content() == before
    _assert_marts_equal_books(stage)


def test_the_marts_equal_the_books_on_day_two(stage: Stage, first_day: DailySummary) -> None:
    stage.sandbox.advance(1)
    summary = stage.run(daily_refresh)
    assert not summary.failures
    for kind in ("inserted", "updated", "deleted"):
        assert sum(getattr(r, kind) for r in summary.loads) > 0, kind
    _assert_marts_equal_books(stage)


def test_an_overlap_read_again_changes_nothing(stage: Stage, first_day: DailySummary) -> None:
    before = stage.content()
    summary = stage.run(daily_refresh)
    assert sum(r.changed for r in summary.loads) == 0
    assert stage.content() == before


def test_no_enterprise_brand_is_past_stg(stage: Stage, first_day: DailySummary) -> None:
    names = ", ".join(f"'{name}'" for name in ENTERPRISE)
    with duckdb.connect(str(stage.database), read_only=True) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns "
            "WHERE table_schema IN ('ODS', 'EDW') AND table_name <> 'brands' AND data_type = 'VARCHAR'"
        ).fetchall()
        assert columns
        for schema, table, column in columns:
            query = f'SELECT count(*) FROM {schema}."{table}" WHERE "{column}" IN ({names})'
            assert connection.execute(query).fetchall() == [(0,)], f"{schema}.{table}.{column}"
