"""Windows, what a set of them covers, and which one is next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.window import Window, covered_until, next_window, split

START = datetime(2026, 6, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


HOURS = st.integers(0, 50)
INCREMENTS = st.tuples(HOURS, HOURS).map(sorted).map(lambda pair: Window(at(pair[0]), at(pair[1])))
WINDOWS = st.lists(st.one_of(INCREMENTS, HOURS.map(lambda h: Window(None, at(h)))), max_size=12)


@pytest.mark.parametrize(
    "stamp", [datetime(2026, 6, 1), datetime(2026, 6, 1, tzinfo=timezone(timedelta(hours=2)))], ids=["naive", "local"]
)
def test_a_stamp_that_is_not_utc_is_refused(stamp: datetime) -> None:
    with pytest.raises(ValueError, match="UTC"):
        Window(None, stamp)
    with pytest.raises(ValueError, match="UTC"):
        Window(stamp, at(50))


def test_a_window_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Window(at(2), at(1))


def test_reading_starts_earlier_by_the_overlap_except_from_the_beginning() -> None:
    assert Window(at(5), at(6)).read_from(timedelta(hours=2)) == at(3)
    assert Window(None, at(6)).read_from(timedelta(hours=2)) is None


def test_nothing_loaded_covers_nothing() -> None:
    assert covered_until([]) is None
    assert covered_until([Window(at(0), at(5))]) is None


def test_what_lies_behind_a_gap_is_not_covered() -> None:
    assert covered_until([Window(None, at(5)), Window(at(6), at(9))]) == at(5)


def test_a_gap_is_loaded_before_anything_newer() -> None:
    loaded = [Window(None, at(5)), Window(at(6), at(9))]
    assert next_window(loaded, at(10), full=False) == Window(at(5), at(10))


def test_the_first_load_is_a_snapshot() -> None:
    assert next_window([], at(3), full=False) == Window(None, at(3))


def test_a_source_whose_clock_went_back_has_nothing_new() -> None:
    assert next_window([Window(None, at(5))], at(4), full=False) is None


def test_a_full_load_is_asked_for_again_only_when_time_has_passed() -> None:
    loaded = [Window(None, at(5)), Window(at(5), at(6))]
    assert next_window(loaded, at(6), full=True) == Window(None, at(6))
    assert next_window([*loaded, Window(None, at(6))], at(6), full=True) is None


@given(WINDOWS)
def test_coverage_is_what_counting_hour_by_hour_gives(windows: list[Window]) -> None:
    snapshots = [w.hi for w in windows if w.lo is None]
    expected = max(snapshots, default=None)
    if expected is not None:
        # An hour belongs to the coverage if some window holds it and every hour before it belongs.
        hour = expected
        while any(w.lo is not None and w.lo <= hour < w.hi for w in windows):
            hour += timedelta(hours=1)
        expected = hour
    assert covered_until(windows) == expected


@given(WINDOWS, HOURS, st.booleans())
def test_loading_the_next_window_covers_up_to_the_horizon_and_leaves_nothing_to_load(
    windows: list[Window], horizon: int, full: bool
) -> None:
    following = next_window(windows, at(horizon), full=full)
    loaded = [*windows, *([following] if following else [])]
    reach = covered_until(loaded)
    assert reach is not None
    assert reach >= at(horizon)
    assert next_window(loaded, at(horizon), full=full) is None


@given(WINDOWS, st.lists(HOURS, min_size=1).map(sorted))
def test_runs_one_after_the_other_leave_no_gap(windows: list[Window], horizons: list[int]) -> None:
    loaded = [*windows, Window(None, START)]
    for horizon in horizons:
        before = covered_until(loaded)
        following = next_window(loaded, at(horizon), full=False)
        if following:
            assert following.lo == before
            loaded.append(following)
    assert (covered_until(loaded) or START) >= at(horizons[-1])


def test_only_a_window_from_the_beginning_is_a_snapshot() -> None:
    assert Window(None, at(1)).is_snapshot
    assert not Window(at(0), at(1)).is_snapshot


def test_a_window_is_told_in_words() -> None:
    assert str(Window(None, START)) == "[beginning, 2026-06-01T00:00:00+00:00)"
    assert str(Window(START, at(1))) == "[2026-06-01T00:00:00+00:00, 2026-06-01T01:00:00+00:00)"


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 120))
def test_pieces_of_a_window_are_the_window_without_gap_or_overlap(start: int, length: int, step: int) -> None:
    window = Window(at(start), at(start + length))
    pieces = split(window, timedelta(hours=step))
    assert [p.lo for p in pieces] == [window.lo, *(p.hi for p in pieces[:-1])]
    assert pieces[-1].hi == window.hi
    assert all(p.lo and timedelta(0) < p.hi - p.lo <= timedelta(hours=step) for p in pieces)


def test_what_has_no_beginning_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        split(Window(None, at(1)), timedelta(days=1))
    with pytest.raises(ValueError, match="cannot be cut"):
        split(Window(at(0), at(1)), timedelta(0))
