"""Local time and UTC: no instant is lost where clocks change, and no later version looks older."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigurationError
from connectors.netsuite.zone import Zone, zone_named

NAMES = ["America/New_York", "Europe/London", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
TURNS = {
    "America/New_York": ["2026-03-08 07:00", "2026-11-01 06:00"],
    "Europe/London": ["2026-03-29 01:00", "2026-10-25 01:00"],
    "Australia/Sydney": ["2026-04-04 16:00", "2026-10-03 16:00"],
    "Australia/Lord_Howe": ["2026-04-04 15:00", "2026-10-03 15:30"],
}
names = st.sampled_from(NAMES)
minutes = st.integers(-300, 300).map(lambda n: timedelta(minutes=n))


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, datetime, datetime, datetime]:
    """A zone, and three instants within hours of a change of its clocks, oldest first."""
    name = draw(st.sampled_from(list(TURNS)))
    turn = datetime.fromisoformat(draw(st.sampled_from(TURNS[name]))).replace(tzinfo=UTC)
    return (name, *sorted(turn + draw(minutes) for _ in range(3)))  # type: ignore[return-value]


def local(instant: datetime, name: str) -> datetime:
    return instant.astimezone(ZoneInfo(name)).replace(tzinfo=None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text.split("'")[1])


def to_utc(zone: Zone, shown: datetime, hi: datetime, since: datetime | None = None) -> datetime:
    """What the expression makes of a local time: the CASE of the query, done here."""
    text = zone.utc_text("f", hi, since)
    whens = re.findall(r"WHEN f (>=|<) TO_TIMESTAMP\('([^']*)'[^)]*\) THEN (\S+)", text)
    last = re.search(r"ELSE (\S+) END", text)
    true = [
        shift
        for sign, bound, shift in whens
        if (shown >= datetime.fromisoformat(bound) if sign == ">=" else shown < datetime.fromisoformat(bound))
    ]
    shift = [*true, last[1] if last else "0"][0]
    return (shown + timedelta(minutes=int(shift.partition("/")[0]))).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", list(TURNS))
def test_the_clocks_change_when_the_calendar_says(name: str) -> None:
    changes = [f"{c.at:%Y-%m-%d %H:%M}" for c in zone_named(name, 2026).changes if c.at.year == 2026]
    assert changes == TURNS[name]


@pytest.mark.parametrize(
    ("name", "minutes"), [("UTC", 0), ("Etc/GMT+5", -300), ("Asia/Kolkata", 330), ("America/Phoenix", -420)]
)
def test_zones_without_summer_time_have_one_offset(name: str, minutes: int) -> None:
    assert zone_named(name, 2026) == Zone(timedelta(minutes=minutes))


@pytest.mark.parametrize("name", ["No/Where", "../etc", ""])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        zone_named(name, 2026)


def test_utc_is_asked_for_as_it_is() -> None:
    assert Zone().utc_text("f", datetime(2026, 1, 1, tzinfo=UTC)) == "TO_CHAR(f, 'YYYY-MM-DD HH24:MI:SS')"


@given(names, st.datetimes(datetime(1998, 1, 2), datetime(2035, 1, 1)))
def test_offsets_are_those_of_the_time_zone_database(name: str, stamp: datetime) -> None:
    instant = stamp.replace(tzinfo=UTC)
    assert zone_named(name, 2036).offset_at(instant) == instant.astimezone(ZoneInfo(name)).utcoffset()


@given(near_a_change())
def test_a_window_holds_every_instant_of_it(given_: tuple[str, datetime, datetime, datetime]) -> None:
    name, lo, instant, hi = given_
    zone = zone_named(name, 2027)
    shown = local(instant, name)
    assert at(zone.lower(lo)) <= shown
    assert instant == hi or shown < at(zone.upper(hi))


@given(names, st.datetimes(datetime(2000, 1, 2), datetime(2035, 1, 1)))
def test_far_from_a_change_a_window_is_no_wider_than_it_is(name: str, stamp: datetime) -> None:
    zone, instant = zone_named(name, 2036), stamp.replace(tzinfo=UTC, microsecond=0)
    if all(abs(change.at - instant) > timedelta(hours=2) for change in zone.changes):
        assert at(zone.lower(instant)) == at(zone.upper(instant)) == local(instant, name)


@given(near_a_change())
def test_a_stamp_means_its_instant_or_the_other_that_looks_the_same(
    given_: tuple[str, datetime, datetime, datetime],
) -> None:
    name, instant, hi, _ = given_
    zone = zone_named(name, 2027)
    shown = local(instant, name)
    found = to_utc(zone, shown, hi)
    assert local(found, name) == shown
    if instant < hi:
        assert instant <= found < hi


@given(near_a_change(), st.integers(0, 300))
def test_a_version_never_looks_older_than_one_read_before(
    given_: tuple[str, datetime, datetime, datetime], later: int
) -> None:
    """Read in a window that ends at `first_end`, changed after it, read again by a window that has the change."""
    name, first, first_end, second = given_
    zone = zone_named(name, 2027)
    second_end = second + timedelta(minutes=later, seconds=1)
    before = to_utc(zone, local(first, name), first_end)
    after = to_utc(zone, local(second, name), second_end)
    if first < first_end <= second:
        assert before < after


@given(names, st.datetimes(datetime(2000, 1, 2), datetime(2035, 1, 1)))
def test_a_stamp_that_occurs_once_is_exact(name: str, stamp: datetime) -> None:
    instant = stamp.replace(tzinfo=UTC, microsecond=0)
    zone = zone_named(name, 2036)
    if all(abs(change.at - instant) > timedelta(hours=2) for change in zone.changes):
        assert to_utc(zone, local(instant, name), datetime(2036, 1, 1, tzinfo=UTC)) == instant


@given(near_a_change())
def test_a_short_expression_says_the_same_of_what_the_window_holds(
    given_: tuple[str, datetime, datetime, datetime],
) -> None:
    name, lo, instant, hi = given_
    zone = zone_named(name, 2027)
    shown = local(instant, name)
    assert to_utc(zone, shown, hi, lo) == to_utc(zone, shown, hi)
    assert len(zone.utc_text("f", hi, lo)) < 800


def test_the_end_of_time_is_not_moved() -> None:
    zone = zone_named("America/New_York", 2026)
    assert to_utc(zone, datetime(9999, 12, 31, 23, 59, 59), datetime(2026, 6, 1, tzinfo=UTC)).year == 9999
