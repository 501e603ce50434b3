"""What every macro in `dbt/macros/cross_db/` is asked, and what BigQuery's documentation says it must answer.

A case reads one table of inputs. Its answers are computed here in Python from the input row, in canonical values: exact
decimals and dates as text. The silent differences between the warehouses each have their row: NULL in least and
greatest, NULL in concat, division by zero, weeks, day numbers, halves, casts of decimals, blanks that trim leaves.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

EXACT = Context(prec=60)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Inputs:
    """A table of inputs: types by column, and rows of JSON values."""

    columns: dict[str, str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Case:
    """A macro's call on the columns of `inputs`, and what it must give for their values."""

    inputs: str
    call: str
    expected: Callable[..., Any]


INPUTS = {
    "dates": Inputs(
        {"day": "DATE"},
        [
            [None], ["0001-01-01"], ["0001-01-08"], ["1899-12-31"], ["1900-02-28"], ["1970-01-01"], ["1999-12-31"],
            ["2000-02-29"], ["2023-01-01"], ["2023-12-31"], ["2024-01-01"], ["2024-02-28"], ["2024-02-29"],
            ["2024-03-01"], ["2024-03-31"], ["2024-11-03"], ["2026-03-15"], ["2026-03-16"], ["2027-01-03"],
            ["2100-02-28"], ["9999-11-30"], ["9999-12-31"],
        ],
    ),
    "months": Inputs(
        {"day": "DATE"},
        [[None], ["0001-01-01"], ["2023-12-01"], ["2024-01-31"], ["2024-02-29"], ["9999-11-30"]],
    ),
    "spans": Inputs(
        {"first": "DATE", "last": "DATE"},
        [
            [None, "2024-01-01"], ["2024-01-01", None], ["2024-02-28", "2024-03-01"], ["2023-02-28", "2023-03-01"],
            ["2024-03-01", "2024-02-28"], ["2024-03-31", "2024-03-31"], ["0001-01-01", "9999-12-31"],
        ],
    ),
    "stamps": Inputs(
        {"stamp": "TIMESTAMP"},
        [
            [None], ["1969-12-31T23:59:59.999999Z"], ["2024-03-31T00:59:59.999999Z"], ["2024-03-31T01:00:00.000000Z"],
            ["2024-11-03T05:59:59.000000Z"], ["2024-11-03T06:00:00.000000Z"], ["2024-12-31T23:59:59.999999Z"],
        ],
    ),
    "names": Inputs(
        {"a": "STRING", "b": "STRING", "n": "INT64", "yes": "BOOL", "day": "DATE"},
        [
            ["a", "bc", 0, True, "2024-02-29"], ["ab", "c", 0, True, "2024-02-29"], [None, None, None, None, None],
            ["", "", -1, False, "0001-01-01"], [" ", "\t", 2**63 - 1, False, "9999-12-31"],
            ["é", "e\u0301", -(2**63), None, None], ["İstanbul", "ß", 1, True, None],
            ["🙂", "x" * 100_000, 1, True, None],
            ["it's", 'a "quote" and a \\ and a %', 1, True, None], ["NULL", "~~", 10, True, None],
            ["a|b", "c", 1, True, None], ["a", "b|c", 1, True, None], ["a|", "b", 1, True, None],
            ["a", "|b", 1, True, None], ["a|1b", "c", 1, True, None], ["|", "", 1, True, None],
            ["", "|", 1, True, None], ["~", "|2", 1, True, None], [None, "|2", 1, True, None],
            ["|2", None, 1, True, None],
        ],
    ),
    "texts": Inputs(
        {"text": "STRING"},
        [
            [None], [""], [" "], ["\u00a0"], [" a b "], ["\ta\r\n"], ["\u00a0 a\u00a0"], ["\u3000a\u3000"], ["é "],
        ],
    ),
    "lists": Inputs(
        {"list": "STRING", "wanted": "STRING"},
        [
            [None, "a"], ["", "a"], ["a", "a"], ["a;b;c", "b"], ["ab;c", "a"], ["a;B", "b"], ["a;;b", ""],
            ["a b;c", "a b"], ["é;x", "é"], ["🙂;x", "🙂"], ["a;b", None], ["100%;a_b", "a_b"], [";", ""],
        ],
    ),
    "money": Inputs(
        {"amount": "NUMERIC"},
        [
            [None], ["0"], ["0.005"], ["-0.005"], ["0.015"], ["1.005"], ["-1.005"], ["2.675"], ["0.004999999"],
            ["-0.000000001"], ["12345678901234567890123456789.994999999"], ["-99999999999999999999999999999.99"],
        ],
    ),
    "decimals": Inputs(
        {"text": "STRING"},
        [
            [None], ["1.23456"], ["-0.1"], ["0.000000001"], ["0.0000000015"], ["-0.0000000015"], ["1e3"],
            ["99999999999999999999999999999.999999999"], ["-99999999999999999999999999999.999999999"],
        ],
    ),
    "shares": Inputs(
        {"part": "NUMERIC", "whole": "NUMERIC"},
        [
            [None, "1"], ["1", None], ["1", "0"], ["0", "0"], ["0", "5"], ["1", "3"], ["-1", "3"], ["2", "3"],
            ["1", "8"], ["1", "-7"], ["1000000", "0.001"],
        ],
    ),
    "numbers": Inputs(
        {"x": "INT64", "y": "INT64"},
        [[None, None], [1, None], [None, 1], [1, 2], [2, 1], [-(2**63), 2**63 - 1], [0, 0]],
    ),
}  # fmt: skip


def _day(of: Callable[[dt.date], Any]) -> Callable[[str | None], Any]:
    """`of` for a date as text: NULL gives NULL, and a date is given as text."""

    def answer(text: str | None) -> Any:
        if text is None:
            return None
        found = of(dt.date.fromisoformat(text))
        return found.isoformat() if isinstance(found, dt.date) else found

    return answer


def _month_end(day: dt.date) -> dt.date:
    return next(d for n in range(31, 27, -1) if (d := _with_day(day, n)) is not None)


def _with_day(day: dt.date, number: int) -> dt.date | None:
    try:
        return day.replace(day=number)
    except ValueError:
        return None


def _next_month(day: dt.date) -> dt.date:
    first = dt.date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return _with_day(first, day.day) or _month_end(first)


def _days_between(first: str | None, last: str | None) -> int | None:
    if first is None or last is None:
        return None
    return (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days


def _key(a: str | None, b: str | None, n: int | None, yes: bool | None, day: str | None) -> str:
    texts = (a, b, None if n is None else str(n), None if yes is None else str(yes).lower(), day)
    parts = ("|2" if t is None else t.replace("|", "|0") for t in texts)
    return hashlib.md5("|1".join(parts).encode()).hexdigest()


def _rounded(digits: int) -> Callable[[str | None], str | None]:
    def answer(text: str | None) -> str | None:
        return None if text is None else decimal_text(_round(Decimal(text), digits))

    return answer


def _round(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)


def _ratio(part: str | None, whole: str | None) -> str | None:
    if part is None or whole is None or Decimal(whole) == 0:
        return None
    return decimal_text(_round(Decimal(part) / Decimal(whole), 6))


def _known(pick: Callable[[list[int]], int]) -> Callable[[int | None, int | None], int | None]:
    return lambda x, y: pick(known) if (known := [v for v in (x, y) if v is not None]) else None


def decimal_text(value: Decimal) -> str:
    """An exact decimal without trailing zeros."""
    text = f"{value.normalize(EXACT):f}"
    return "0" if text == "-0" else text


CASES = {
    "to_date": Case("stamps", "to_date('stamp')", lambda stamp: stamp and stamp[:10]),
    "month_start": Case("dates", "month_start('day')", _day(lambda d: d.replace(day=1))),
    "week_start": Case("dates", "week_start('day')", _day(lambda d: d - dt.timedelta(d.weekday()))),
    "quarter_start": Case(
        "dates", "quarter_start('day')", _day(lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1))
    ),
    "month_end": Case("dates", "month_end('day')", _day(_month_end)),
    "iso_weekday": Case("dates", "iso_weekday('day')", _day(dt.date.isoweekday)),
    "date_key": Case("dates", "date_key('day')", _day(lambda d: d.year * 10_000 + d.month * 100 + d.day)),
    "month_name": Case("dates", "month_name('day')", _day(lambda d: MONTHS[d.month - 1])),
    "weekday_name": Case("dates", "weekday_name('day')", _day(lambda d: DAYS[d.weekday()])),
    "next_month": Case("months", "next_month('day')", _day(_next_month)),
    "days_between": Case("spans", "days_between('first', 'last')", _days_between),
    "surrogate_key": Case("names", "surrogate_key(['a', 'b', 'n', 'yes', 'day'])", _key),
    "trimmed": Case("texts", "trimmed('text')", lambda text: text and text.strip(" \t\r\n\u00a0")),
    "list_contains": Case(
        "lists",
        "list_contains('list', 'wanted')",
        lambda parts, one: None if one is None else one in (parts or "").split(";"),
    ),
    "money": Case("decimals", "money('text')", _rounded(9)),
    "cents": Case("money", "cents('amount')", _rounded(2)),
    "ratio": Case("shares", "ratio('part', 'whole')", _ratio),
    "least_known": Case("numbers", "least_known('x', 'y')", _known(min)),
    "greatest_known": Case("numbers", "greatest_known('x', 'y')", _known(max)),
    "unknown_key": Case("numbers", "unknown_key()", lambda *_: "unknown"),
    "unknown_date_key": Case("numbers", "unknown_date_key()", lambda *_: 19_000_101),
}
"""Macros that give a value, by name."""

RELATIONS = {
    "date_spine": (
        "{{ date_spine('2023-12-30', '2024-03-01') }}",
        [[(dt.date(2023, 12, 30) + dt.timedelta(n)).isoformat()] for n in range(63)],
    ),
    "split_list": (
        "{{ split_list(source('nasty', 'lists') | string, ['id'], 'list') }}",
        [[n, part] for n, (text, _) in enumerate(INPUTS["lists"].rows) if text is not None for part in text.split(";")],
    ),
    "joined_list": (
        "select wanted is null, {{ joined_list('list') }} from {{ source('nasty', 'lists') }} group by 1",
        [
            [True, "a;b"],
            [False, ";".join(sorted(r[0] for r in INPUTS["lists"].rows if r[0] is not None and r[1] is not None))],
        ],
    ),
}
"""Macros that give rows: the query, and the rows it must give in any order."""
WITHOUT_VALUES = {"layout", "money_type", "get_empty_schema_sql"}
"""Macros that give no value of their own: they shape tables, casts and contracts."""
