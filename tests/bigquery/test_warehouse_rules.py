"""The rules that hold in every warehouse hold in BigQuery: the tests written for DuckDB, on the emulator.

A sample of every kind runs with the fast tests, all of them with the slow ones.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from connectors.warehouse.limits import Limits
from tests.bigquery.warehouse_suite import AnyWarehouse
from tests.connectors.warehouse import (
    test_absent_columns,
    test_conform,
    test_files,
    test_keys,
    test_limits,
    test_merge,
    test_quarantine,
    test_replay,
    test_shared_rows,
)
from tests.connectors.warehouse.batches import CONTRACT

_RULES = (
    test_merge, test_keys, test_files, test_shared_rows, test_absent_columns, test_quarantine, test_replay,
    test_limits, test_conform,
)  # fmt: skip
_SAMPLE = {
    "test_a_batch_loaded_twice_is_skipped",
    "test_a_repeated_overlap_changes_nothing",
    "test_a_newer_row_replaces_and_an_older_one_is_stale",
    "test_equal_stamp_with_other_content_is_an_update",
    "test_the_newest_of_one_key_in_a_batch_wins",
    "test_a_snapshot_buries_what_it_does_not_have",
    "test_a_snapshot_does_not_bury_a_row_it_could_not_read",
    "test_reported_deletes_bury_rows_unless_they_changed_later",
    "test_a_row_restored_in_the_second_of_its_deletion_lives",
    "test_a_table_without_a_cursor_is_what_its_last_snapshot_says",
    "test_nothing_new_is_a_batch_too",
    "test_absent_keys_become_tombstones_unless_they_are_newer",
    "test_keys_that_stg_lacks_or_has_in_an_older_version_are_missing",
    "test_a_new_delivery_replaces_the_file",
    "test_a_row_that_returns_with_a_later_delivery_is_live_again",
    "test_what_left_its_file_is_buried_also_when_another_file_of_its_batch_came_after_the_new_delivery",
    "test_a_row_that_the_newer_file_withdraws_is_the_older_files_again",
    "test_both_files_may_be_corrected_in_one_batch",
    "test_a_column_that_is_gone_keeps_its_values",
    "test_the_parts_of_a_batch_may_differ",
    "test_groups_and_rows_are_shown",
    "test_a_row_that_arrives_in_good_shape_settles_its_entries",
    "test_dropped_rows_leave_a_trace_in_the_ledger",
    "test_a_column_added_to_the_contract_is_filled_from_the_lake",
    "test_of_one_version_with_two_contents_the_later_reading_wins",
    "test_whole_numbers_become_numbers_in_place",
    "test_a_snapshot_that_lacks_most_rows_stops",
    "test_other_rows_than_the_source_counted_are_not_loaded",
}


def _slow(test: FunctionType) -> Callable[..., Any]:
    """A copy that is marked: the test for DuckDB stays as it is."""
    copy = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__, test.__closure__)
    copy.__dict__.update(test.__dict__)
    return pytest.mark.slow(copy)


for _module in _RULES:
    for _name, _test in vars(_module).items():
        if _name.startswith("test_") and {"warehouse", "lake"} <= inspect.signature(_test).parameters.keys():
            globals()[_name] = _test if _name in _SAMPLE else _slow(_test)


@pytest.fixture(scope="module")
def project(new_google: Callable[[], GoogleAccess]) -> GoogleAccess:
    """One for all: each test has a dataset of its own."""
    return new_google()


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
async def warehouse(project: GoogleAccess, request: pytest.FixtureRequest) -> AsyncIterator[AnyWarehouse]:
    limits = test_limits.LIMITS if request.function.__module__ == test_limits.__name__ else Limits()
    async with AnyWarehouse(project, limits=limits) as opened:
        await opened.ensure(CONTRACT)
        yield opened


def test_the_sample_is_there() -> None:
    assert globals().keys() >= _SAMPLE
