"""ZOQL conditions mean what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.zuora.errors import QueryError
from sandbox.zuora.schema import Schema
from sandbox.zuora.zoql import Dialect, parse, translate
from tests.sandbox.zuora.tiny_world import TinyWorld

WORLD = TinyWorld()
PACIFIC = ZoneInfo("America/Los_Angeles")


def numbers(condition: str) -> list[int]:
    """BillCycleDay, which is the row's number, of the accounts that meet the condition."""
    query = parse(f"select BillCycleDay from Account where {condition}")
    plan = translate(query, Dialect(Schema(WORLD), PACIFIC), WORLD)
    return sorted(row[0] for row in WORLD.sql(f'SELECT "BillCycleDay" FROM {plan.rows}').fetchall())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("AccountNumber = 'A4'", [4]),
        ("accountnumber = 'A4'", [4]),
        ("Account.AccountNumber = 'A4'", [4]),
        ("AccountNumber != 'A4' and BillCycleDay < 6", [1, 2, 3, 5]),
        ("AccountNumber <> 'A4' AND BillCycleDay <= 5", [1, 2, 3, 5]),
        ("BillCycleDay > 6", [7, 10]),
        ("BillCycleDay >= '7'", [7, 10]),
        ("Balance = 1.5", [1]),
        ("Balance = -1", []),
        ("AutoPay = true and BillCycleDay < 5", [2, 4]),
        ("AutoPay = 'false' and BillCycleDay < 5", [1, 3]),
        ("Brand__c = null and BillCycleDay < 5", [1, 3]),
        ("Brand__c != null and BillCycleDay < 5", [2, 4]),
        ("Brand__c is null and BillCycleDay < 5", [1, 3]),
        ("Brand__c is not null and BillCycleDay < 5", [2, 4]),
        ("BillCycleDay = 1 or BillCycleDay = 2 and AutoPay = false", [1]),
        ("(BillCycleDay = 1 or BillCycleDay = 2) and AutoPay = true", [2]),
        ("not BillCycleDay > 2", [1, 2]),
        ("AccountNumber in ('A1', 'A2')", [1, 2]),
        ("BillCycleDay not in (1, 2, 3, 4, 5, 6)", [7, 10]),
        ("Name like 'acme%'", [1]),
        ("Name = 'Acme \"Rockets\", Inc.'", [1]),
        ("LastInvoiceDate = '2026-06-04'", [4]),
        ("LastInvoiceDate < 2026-06-03", [1, 2]),
        ("UpdatedDate >= '2026-06-14T12:07:00+00:00'", [7, 10]),
        ("UpdatedDate >= '2026-06-14T12:07:00Z'", [7, 10]),
        ("UpdatedDate >= 2026-06-14T14:07:00+0200", [7, 10]),
        ("UpdatedDate >= '2026-06-14T05:07:00'", [7, 10]),
        ("UpdatedDate >= '2026-06-14 05:07:00.000'", [7, 10]),
        ("UpdatedDate < '2026-06-14'", []),
    ],
)
def test_conditions(condition: str, expected: list[int]) -> None:
    assert numbers(condition) == expected


@given(
    minutes=st.integers(-5, 15),
    offset=st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters))),
)
@settings(max_examples=60, deadline=None)
def test_an_instant_is_the_same_in_every_offset(minutes: int, offset: timezone) -> None:
    at = datetime(2026, 6, 14, 12, tzinfo=UTC) + timedelta(minutes=minutes)
    wanted = [i for i in (1, 2, 3, 4, 5, 6, 7, 10) if i >= minutes]
    assert numbers(f"UpdatedDate >= '{at.astimezone(offset).isoformat()}'") == wanted


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_quoted_value_means_itself(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    query = parse(f"select Id from Account where Name = '{escaped}' or Name = 'Name 4'")
    plan = translate(query, Dialect(Schema(WORLD), PACIFIC), WORLD)
    assert len(WORLD.sql(f"SELECT * FROM {plan.rows}").fetchall()) == 1 + (text == "")


WORDS = "select from Account where Id , and or not ( ) = > 'x' 1 true null in like is * . Name 2026-01-01 UpdatedDate;"


@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=12))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_parser(words: list[str]) -> None:
    """Whatever is sent runs or is refused."""
    try:
        plan = translate(parse("select Id " + " ".join(words)), Dialect(Schema(WORLD), PACIFIC), WORLD)
    except QueryError:
        return
    WORLD.sql(f"SELECT count(*) FROM {plan.rows}").fetchall()
