"""Text to typed values: exact or a misfit, never silently something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.contract import DataType
from connectors.warehouse.casting import exact

CONNECTION = duckdb.connect()
CONNECTION.execute("SET TimeZone = 'America/New_York'")  # whatever the session's zone, the result is UTC
CONNECTION.execute("SET threads = 1")


def cast(texts: Sequence[str], to: DataType) -> list[Any]:
    """The values in order; None for a misfit."""
    values = ", ".join(f"({i}, ?)" for i in range(len(texts)))
    query = f"SELECT {exact('raw', to)} FROM (VALUES {values}) t(i, raw) ORDER BY i"
    return [row[0] for row in CONNECTION.execute(query, list(texts)).fetchall()]


def cast_one(text: str, to: DataType) -> Any:
    return cast([text], to)[0]


GOOD: list[tuple[DataType, str, Any]] = [
    (DataType.INT64, "12", 12),
    (DataType.INT64, "-7", -7),
    (DataType.INT64, "+7", 7),
    (DataType.INT64, "007", 7),
    (DataType.INT64, "12.0", 12),
    (DataType.INT64, "12.", 12),
    (DataType.INT64, "9223372036854775807", 2**63 - 1),
    (DataType.INT64, "-9223372036854775808", -(2**63)),
    (DataType.NUMERIC, "1.5", Decimal("1.5")),
    (DataType.NUMERIC, "-.5", Decimal("-0.5")),
    (DataType.NUMERIC, "5.", Decimal(5)),
    (DataType.NUMERIC, "1.123456789", Decimal("1.123456789")),
    (DataType.NUMERIC, "1.123456789000", Decimal("1.123456789")),
    (DataType.NUMERIC, "9" * 29 + "." + "9" * 9, Decimal("9" * 29 + "." + "9" * 9)),
    (DataType.NUMERIC, "1.39E8", Decimal(139000000)),
    (DataType.NUMERIC, "1.0E-4", Decimal("0.0001")),
    (DataType.NUMERIC, "3e+2", Decimal(300)),
    (DataType.NUMERIC, "1.50E-8", Decimal("0.000000015")),
    (DataType.BOOL, "true", True),
    (DataType.BOOL, "True", True),
    (DataType.BOOL, "T", True),
    (DataType.BOOL, "1", True),
    (DataType.BOOL, "FALSE", False),
    (DataType.BOOL, "f", False),
    (DataType.BOOL, "0", False),
    (DataType.DATE, "2024-02-29", date(2024, 2, 29)),
    (DataType.DATE, "2026-01-02T00:00:00", date(2026, 1, 2)),
    (DataType.DATE, "2026-01-02T00:00:00.000Z", date(2026, 1, 2)),
    (DataType.DATE, "2026-01-02 00:00:00+0000", date(2026, 1, 2)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00Z", datetime(2026, 1, 2, 10)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00.000Z", datetime(2026, 1, 2, 10)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00.000+0000", datetime(2026, 1, 2, 10)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00+00:00", datetime(2026, 1, 2, 10)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00-08:00", datetime(2026, 1, 2, 18)),
    (DataType.TIMESTAMP, "2026-01-02T20:00:00.250-0800", datetime(2026, 1, 3, 4, 0, 0, 250000)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00+05:30", datetime(2026, 1, 2, 4, 30)),
    (DataType.TIMESTAMP, "2026-01-02 10:00:00", datetime(2026, 1, 2, 10)),
    (DataType.TIMESTAMP, "2026-01-02 10:00", datetime(2026, 1, 2, 10)),
    (DataType.TIMESTAMP, "2026-01-02", datetime(2026, 1, 2)),
    (DataType.TIMESTAMP, "2026-03-29T02:30:00", datetime(2026, 3, 29, 2, 30)),
    (DataType.TIMESTAMP, "2026-03-08T02:30:00", datetime(2026, 3, 8, 2, 30)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00.123456Z", datetime(2026, 1, 2, 10, 0, 0, 123456)),
    (DataType.TIMESTAMP, "2026-01-02T10:00:00.123456000Z", datetime(2026, 1, 2, 10, 0, 0, 123456)),
    (DataType.STRING, " as it is ", " as it is "),
]

MISFITS: list[tuple[DataType, str]] = [
    *((DataType.INT64, t) for t in (
        "1.5", "0.5", "1e3", "1e-1", "9223372036854775808", "-9223372036854775809", "1,000", "1_000", "0x10", "0b11",
        "12abc", "NaN", "inf", "true", "-", "+", ".", " 12", "9007199254740993.0", "\u0661",
    )),
    *((DataType.NUMERIC, t) for t in (
        "1.1234567891", "0.0000000001", "1E-10", "1.5E-9", "9" * 30, "1e40", "1e99", "NaN", "Infinity", "-inf",
        "1,000.00", "1_000", "$5", "1.2.3", ".", "", "-", "e5", "0x10", "1 ", "12-",
    )),
    *((DataType.BOOL, t) for t in ("yes", "no", "y", "n", "on", "off", "2", "1.0", " true", "wahr", "tru")),
    *((DataType.DATE, t) for t in (
        "2026-02-30", "2025-02-29", "2026-13-01", "2026-01-02 10:00:00", "2026-01-02T00:00:01Z", "01/02/2026",
        "2026/01/02", "20260102", "2026-1-2", "epoch", "infinity", "-infinity", "0000-01-01", "12026-01-02",
        "2026-01-02 (BC)", "2026-01-02x", "today", "2026-01-02T00:00:00+02:00",
    )),
    *((DataType.TIMESTAMP, t) for t in (
        "2026-02-30T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T10:60:00Z", "2026-01-02T10:00:61Z",
        "2026-01-02T10:00:00.1234567Z", "2026-01-02 10:00:00 America/New_York", "2026-01-02T10:00:00 -0800",
        "2026-01-02T10:00:00-24:00", "epoch", "infinity", "now", "0000-01-01T00:00:00Z", "10:00", "1767348000",
        "2026-01-02T10:00:00.0 0Z", "2026-01-02T10:00:00PM", "01/02/2026 10:00", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00", "2026-01-02-08:00",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("to", "text", "value"), GOOD)
def test_a_value_that_fits_is_exact(to: DataType, text: str, value: Any) -> None:
    found = cast_one(text, to)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("to", "text"), MISFITS)
def test_a_value_that_does_not_fit_is_a_misfit(to: DataType, text: str) -> None:
    assert cast_one(text, to) is None


def test_null_stays_null() -> None:
    for to in DataType:
        query = f"SELECT {exact('raw', to)} FROM (SELECT NULL::VARCHAR AS raw)"
        assert CONNECTION.execute(query).fetchall() == [(None,)]


def test_a_bare_date_is_midnight_in_the_zone_that_is_named() -> None:
    texts = ["2026-06-14", "2026-01-14", "2026-06-14T00:00:00+0000", "2026-06-31"]
    values = ", ".join(f"({i}, ?)" for i in range(len(texts)))
    cast_there = exact("raw", DataType.TIMESTAMP, "America/Los_Angeles")
    found = CONNECTION.execute(f"SELECT {cast_there} FROM (VALUES {values}) t(i, raw) ORDER BY i", texts).fetchall()
    assert [row[0] for row in found] == [
        datetime(2026, 6, 14, 7),
        datetime(2026, 1, 14, 8),
        datetime(2026, 6, 14),
        None,
    ]


def test_a_session_in_another_zone_does_not_shift_naive_times() -> None:
    assert cast_one("2026-07-01 12:00:00", DataType.TIMESTAMP) == datetime(2026, 7, 1, 12)


numbers = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.floats(),
    st.integers(),
).map(str)
scribble = st.text(alphabet="0123456789+-.eE _x,", max_size=14)


@settings(deadline=None)
@given(st.lists(st.one_of(numbers, scribble), min_size=1, max_size=40))
@example(["1.5E-9", "0.1E-9", "1E28", "1E29", "00000000000000000000000000000000000001"])
def test_numeric_is_the_decimal_that_was_written_or_a_misfit(texts: list[str]) -> None:
    for text, found in zip(texts, cast(texts, DataType.NUMERIC), strict=True):
        if found is None:
            continue
        assert found == Decimal(text)


@settings(deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28)))
def test_every_number_of_nine_decimals_fits(values: list[Decimal]) -> None:
    if values:
        assert cast([format(v, "f") for v in values], DataType.NUMERIC) == values


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(-(2**65), 2**65).map(str), numbers, scribble), min_size=1, max_size=40))
def test_int64_is_the_number_that_was_written_or_a_misfit(texts: list[str]) -> None:
    for text, found in zip(texts, cast(texts, DataType.INT64), strict=True):
        if found is not None:
            assert Decimal(text) == found
        elif re.fullmatch(r"[+-]?\d+", text):
            assert not -(2**63) <= int(text) < 2**63


zones = st.integers(-15 * 60 + 1, 15 * 60 - 1).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.one_of(zones, st.just(UTC)))


@settings(deadline=None)
@given(st.lists(moments, min_size=1, max_size=40), st.booleans(), st.booleans())
def test_a_timestamp_is_the_instant_that_was_written(values: list[datetime], colon: bool, blank: bool) -> None:
    texts = [v.isoformat(sep=" " if blank else "T") for v in values]
    if not colon:
        texts = [re.sub(r":(\d\d)$", r"\1", t) for t in texts]
    expected = [v.astimezone(UTC).replace(tzinfo=None) for v in values]
    assert cast(texts, DataType.TIMESTAMP) == expected


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789-T:.Z +", min_size=8, max_size=28), min_size=1, max_size=40))
def test_a_timestamp_is_never_read_out_of_scribble(texts: list[str]) -> None:
    for text, found in zip(texts, cast(texts, DataType.TIMESTAMP), strict=True):
        if found is not None:
            assert _python(text) == found


@settings(deadline=None)
@given(st.lists(st.dates(), min_size=1, max_size=40), st.sampled_from(["", "T00:00:00", " 00:00:00.000", "T00:00:00Z"]))
def test_a_date_is_the_day_that_was_written(days: list[date], midnight: str) -> None:
    assert cast([d.isoformat() + midnight for d in days], DataType.DATE) == days


def _python(text: str) -> datetime | None:
    try:
        value = datetime.fromisoformat(re.sub(r"(\.\d{6})0+", r"\1", text))
    except (ValueError, InvalidOperation):
        return None
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
