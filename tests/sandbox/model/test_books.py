"""The books the business keeps equal what the sources' rows give by the definitions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from sandbox.model.brands import BRANDS
from sandbox.model.journal import MONEY_BOOKS, Books
from tests.sandbox.model.conftest import DAYS, Story

ENTERPRISE = {b.name for b in BRANDS if b.segment == "Enterprise"}


def _differences(
    kept: Mapping[tuple[str, date, str], Decimal], shown: Mapping[tuple[str, date, str], Decimal]
) -> dict[object, object]:
    keys = kept.keys() | shown.keys()
    pairs = {key: (kept.get(key, Decimal(0)), shown.get(key, Decimal(0))) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("book", MONEY_BOOKS)
@pytest.mark.parametrize("day", DAYS)
def test_the_books_equal_the_tables_to_the_cent(story: Story, day: int, book: str) -> None:
    stage = story.stages[day]
    assert _differences(getattr(stage.books, book), getattr(stage.recomputed, book)) == {}


@pytest.mark.parametrize("day", DAYS)
def test_the_usage_book_equals_the_files_to_the_unit(story: Story, day: int) -> None:
    stage = story.stages[day]
    assert stage.books.usage == stage.recomputed.usage


@pytest.mark.parametrize("book", MONEY_BOOKS)
def test_every_book_knows_both_segments_and_three_currencies_from_the_first_summer_on(story: Story, book: str) -> None:
    keys = getattr(story.stages[1].books, book).keys()
    assert {brand for brand, _, _ in keys} == {b.name for b in BRANDS if b.segment != "Shared"}
    assert {currency for _, _, currency in keys} == {"USD", "GBP", "AUD"}
    assert min(month for _, month, _ in keys) <= date(2023, 9, 1)
    assert max(month for _, month, _ in keys) == date(2026, 6, 1)


def test_usage_of_enterprise_tenants_comes_through_commercial_platforms(story: Story) -> None:
    assert {brand for brand, _ in story.stages[1].books.usage} & ENTERPRISE == {"Cheetah Digital", "Sailthru"}


def _moved(before: Books, after: Books, book: str) -> bool:
    return getattr(before, book) != getattr(after, book)


def test_a_day_moves_every_book(story: Story) -> None:
    first, second = story.stages[1].books, story.stages[2].books
    assert [book for book in (*MONEY_BOOKS, "usage") if not _moved(first, second, book)] == []
    assert (first.as_of, second.as_of) == (date(2026, 6, 15), date(2026, 6, 16))


def test_a_deal_entered_twice_counts_until_it_is_deleted(story: Story) -> None:
    sql = """SELECT count(*) FILTER (WHERE IsDeleted), count(*) FROM salesforce.Opportunity
        WHERE IsWon AND CreatedDate >= TIMESTAMP '2026-06-15 06:00:00'"""
    deleted, won = story.world.sql(sql).fetchone() or (0, 0)
    assert 0 < deleted < won
