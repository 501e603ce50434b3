"""The query for a table and a window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.errors import ConfigurationError
from connectors.salesforce.soql import LONGEST_SOQL, Query, Span, keys_of, literal, parse, rows_of, since
from connectors.window import Window
from tests.connectors.salesforce.conftest import ACCOUNT, table

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def select(of: Table, window: Window, overlap: timedelta, *extra: str) -> str:
    request = BatchRequest(of, window, extra=extra)
    return rows_of(request, request.fields, overlap).soql


LEAN = table("sfdc_user", "User", "Id", "UserRole.Name", "SystemModstamp")


def test_a_snapshot_asks_for_everything() -> None:
    assert select(LEAN, Window(None, NOON), timedelta(minutes=30)) == (
        "SELECT Id, UserRole.Name, SystemModstamp FROM User"
    )


def test_an_increment_asks_for_its_window_and_the_overlap_before_it() -> None:
    window = Window(NOON - timedelta(hours=1), NOON)
    assert select(LEAN, window, timedelta(minutes=30)).partition(" WHERE ")[2] == (
        "SystemModstamp >= 2026-06-15T10:30:00.000Z AND SystemModstamp < 2026-06-15T12:00:00.000Z"
    )


def test_the_tables_filter_is_kept_apart_from_the_window() -> None:
    filtered = replace(LEAN, filter="IsActive = true OR UserType = 'Standard'")
    assert select(filtered, Window(None, NOON), timedelta()).endswith(
        " FROM User WHERE (IsActive = true OR UserType = 'Standard')"
    )
    assert " WHERE (IsActive = true OR UserType = 'Standard') AND SystemModstamp >= " in select(
        filtered, Window(NOON, NOON), timedelta()
    )


def test_rows_are_never_sorted_nor_limited() -> None:
    soql = select(ACCOUNT, Window(NOON - timedelta(days=1), NOON), timedelta()).upper()
    assert "ORDER BY" not in soql
    assert "LIMIT" not in soql


@pytest.mark.parametrize("name", ["Id FROM User --", "Name, (SELECT Id FROM Contacts)", "1st", "Owner.", "", "Näme"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a Salesforce name"):
        select(table("sfdc_x", "User", "Id", name, "SystemModstamp"), Window(None, NOON), timedelta())
    with pytest.raises(ConfigurationError, match="not a Salesforce name"):
        select(table("sfdc_x", name, "Id", "SystemModstamp"), Window(None, NOON), timedelta())


def test_a_window_of_a_table_without_a_cursor_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no cursor"):
        select(replace(LEAN, cursor=None), Window(NOON, NOON), timedelta())


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)))
def test_a_literal_is_the_instant_to_the_millisecond(stamp: datetime) -> None:
    text = literal(stamp)
    assert parse(text) == stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)
    assert literal(stamp.astimezone(timezone(timedelta(hours=-7)))) == text


def test_the_rest_apis_own_form_is_read() -> None:
    assert parse("2026-06-15T12:00:00.000+0000") == NOON


class TestCut:
    """Where a query that is too much is cut in two."""

    @pytest.mark.parametrize(
        ("lo", "hi", "middle"),
        [
            (0, 4, 2),
            (0, 5, 2),
            (0, 2, 1),
            (0.9, 2.9, 1),
            (0, 1.999, None),
            (0, 0, None),
            (3, 0, None),
        ],
    )
    def test_it_is_the_whole_second_in_the_middle_unless_the_span_is_shorter_than_two(
        self, lo: float, hi: float, middle: float | None
    ) -> None:
        span = Span("X", NOON + timedelta(seconds=lo), NOON + timedelta(seconds=hi))
        assert span.cut(NOON, NOON) == (None if middle is None else NOON + timedelta(seconds=middle))

    def test_an_open_end_lies_where_the_rows_begin_or_end(self) -> None:
        day = timedelta(days=1)
        lo, hi, earliest, latest = NOON, NOON + 4 * day, NOON - 4 * day, NOON + 6 * day
        assert Span("X").cut(earliest, latest) == NOON + day
        assert Span("X", lo).cut(earliest, latest) == NOON + 3 * day
        assert Span("X", None, hi).cut(earliest, latest) == NOON
        assert Span("X", lo, hi).cut(earliest, latest) == NOON + 2 * day

    def test_a_query_is_cut_by_its_span_else_by_the_field_it_names_else_not_at_all(self) -> None:
        later = NOON + timedelta(days=2)
        ranged = Query(LEAN, ("Id",), Span("SystemModstamp", NOON, later), cut_by="CreatedDate")
        whole = Query(LEAN, ("Id",), None, cut_by="CreatedDate")
        assert Query(LEAN, ("Id",), None).cut(NOON, later) is None
        middle = whole.cut(NOON, later)
        assert middle is not None
        assert middle == ranged.cut(NOON - timedelta(days=9), later) == NOON + timedelta(days=1)
        assert [half.span for half in ranged.halves(middle)] == [
            Span("SystemModstamp", NOON, middle),
            Span("SystemModstamp", middle, later),
        ]
        assert [half.soql for half in whole.halves(middle)] == [
            "SELECT Id FROM User WHERE CreatedDate < 2026-06-16T12:00:00.000Z",
            "SELECT Id FROM User WHERE CreatedDate >= 2026-06-16T12:00:00.000Z",
        ]


def test_keys_are_the_key_and_the_cursor_of_what_is_alive() -> None:
    assert keys_of(ACCOUNT, "IsDeleted").soql == "SELECT Id, SystemModstamp FROM Account WHERE IsDeleted = FALSE"
    assert keys_of(LEAN).soql == "SELECT Id, SystemModstamp FROM User"
    assert keys_of(replace(LEAN, cursor=None)).soql == "SELECT Id FROM User"
    assert keys_of(replace(LEAN, cursor="id")).soql == "SELECT Id FROM User"
    assert keys_of(LEAN, cut_by="CreatedDate").cut(NOON, NOON + timedelta(days=1)) == NOON + timedelta(hours=12)


def test_a_snapshot_of_a_table_without_a_cursor_can_be_read() -> None:
    assert select(replace(LEAN, cursor=None), Window(None, NOON), timedelta()) == (
        "SELECT Id, UserRole.Name, SystemModstamp FROM User"
    )


def test_a_query_for_what_changed_since_is_the_same_but_for_its_span() -> None:
    query = Query(LEAN, ("Id",), None, alive="IsDeleted", cut_by="CreatedDate")
    assert since(query, NOON, None).soql == (
        "SELECT Id FROM User WHERE IsDeleted = FALSE AND SystemModstamp >= 2026-06-15T12:00:00.000Z"
    )
    assert since(query, NOON, NOON + timedelta(hours=1)).soql.endswith(
        "SystemModstamp >= 2026-06-15T12:00:00.000Z AND SystemModstamp < 2026-06-15T13:00:00.000Z"
    )


class TestLength:
    """Salesforce takes 100,000 characters."""

    SHORT = len(select(LEAN, Window(None, NOON), timedelta()))

    def filtered(self, characters: int) -> Table:
        """A table whose query is so many characters long."""
        return replace(LEAN, filter="x" * (characters - self.SHORT - len(" WHERE ()")))

    def test_a_query_as_long_as_salesforce_takes_is_asked_whole(self) -> None:
        longest = self.filtered(100_000 - len(", New"))
        assert len(select(longest, Window(None, NOON), timedelta(), "New")) == LONGEST_SOQL == 100_000

    def test_one_character_more_leaves_out_the_last_field_beyond_the_contract(self) -> None:
        table = self.filtered(100_000 - len(", New, Newer") + 1)
        soql = select(table, Window(None, NOON), timedelta(), "New", "Newer")
        assert soql.startswith("SELECT Id, UserRole.Name, SystemModstamp, New FROM User WHERE (")

    def test_fields_of_the_contract_are_never_left_out(self) -> None:
        assert len(select(self.filtered(100_000), Window(None, NOON), timedelta(), "New", "Newer")) == 100_000
        with pytest.raises(ConfigurationError, match="100001 characters, Salesforce takes 100000"):
            select(self.filtered(100_001), Window(None, NOON), timedelta(), "New", "Newer")
