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
from connectors.salesforce.soql import literal, parse, rows_of
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
