"""Two business days of the whole program on BigQuery and Cloud Storage, beside the same days on DuckDB and a folder.

One sandbox is the outside world of both. The tests tell one story, in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.contract import load_contract
from connectors.google import GoogleAccess
from flows.daily_refresh import DailySummary, daily_refresh
from sandbox.prefect_server import PrefectServer
from sandbox.sandbox import Sandbox
from tests.bigquery.conftest import DATASETS, bucket_of
from tests.bigquery.dbt_builds import canonical
from tests.bigquery.googlesql.sent import analyzed
from tests.flows.conftest import Stage

COMMERCIAL = ("Campaign Monitor", "Emma")
_LOAD_COLUMNS = {"_loaded_at", "last_loaded_at"}
"""When a batch was loaded differs between two warehouses; everything else may not."""


class CloudStage(Stage):
    """A stage whose warehouse is BigQuery and whose lake is a bucket."""

    def __init__(self, home: Path, sandbox: Sandbox, google: GoogleAccess) -> None:
        super().__init__(home, sandbox)
        self.google = google

    def environment(self) -> dict[str, str]:
        """One setting says BigQuery; the others say which project and bucket are the test's own."""
        kept = {k: v for k, v in super().environment().items() if k not in ("MGDW_DUCKDB_PATH", "MGDW_DBT_TARGET")}
        return kept | {
            "MGDW_WAREHOUSE": "bigquery",
            "MGDW_GCP_PROJECT": self.google.project,
            "MGDW_LAKE": f"gs://{bucket_of(self.google)}",
        }


class Days:
    """Both stages, a day at a time."""

    def __init__(self, local: Stage, cloud: CloudStage) -> None:
        self.local = local
        self.cloud = cloud

    def refresh(self, *, full: bool) -> tuple[DailySummary, DailySummary]:
        """The daily refresh of the same day on both; returns DuckDB's summary, then BigQuery's."""
        return self.local.run(daily_refresh, full=full), self.cloud.run(daily_refresh, full=full)


@pytest.fixture(scope="module")
def days(
    prefect_server: PrefectServer, new_google: Callable[[], GoogleAccess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Days]:
    with Sandbox(scale=0.25) as sandbox:
        local = Stage(tmp_path_factory.mktemp("local"), sandbox)
        yield Days(local, CloudStage(tmp_path_factory.mktemp("cloud"), sandbox, new_google()))


@pytest.fixture(scope="module")
def day_one(days: Days) -> tuple[DailySummary, DailySummary]:
    return days.refresh(full=True)


@pytest.fixture(scope="module")
def day_two(days: Days, day_one: tuple[DailySummary, DailySummary]) -> tuple[DailySummary, DailySummary]:
    days.local.sandbox.advance(1)
    return days.refresh(full=False)


def _assert_same_content(days: Days) -> None:
    """Every table of STG, ODS and EDW holds the same rows in both warehouses."""
    stg = {f"STG.{table.name}" for table in load_contract().tables}
    with (
        days.cloud.google.bigquery() as client,
        duckdb.connect(str(days.local.database), read_only=True) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        names = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
            "AND table_schema IN ('STG', 'ODS', 'EDW') AND table_name NOT LIKE '\\_ledger%' ESCAPE '\\' ORDER BY 1"
        ).fetchall()
        relations = [name for (name,) in names]
        assert stg < set(relations)
        for relation in relations:
            columns = [c[0] for c in connection.execute(f"DESCRIBE {relation}").fetchall() if c[0] not in _LOAD_COLUMNS]
            listed = ", ".join(f'"{c}"' for c in columns)
            local = _multiset(connection.execute(f"SELECT {listed} FROM {relation}").fetchall())
            rows = client.list_rows(client.get_table(relation))
            cloud = _multiset(tuple(row[c] for c in columns) for row in rows)
            assert cloud == local, relation


def _multiset(rows: Any) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(map(canonical, row)) for row in rows)


def _told(summary: DailySummary) -> dict[tuple[str, str], tuple[int, ...]]:
    """What each batch did, as the ledger counts it."""
    return {
        (r.table, r.batch_id): (
            r.read,
            r.inserted,
            r.updated,
            r.deleted,
            r.unchanged,
            r.stale,
            r.quarantined,
            r.missing,
        )
        for r in summary.loads
    }


def _assert_marts_equal_books(days: Days) -> None:
    books = days.cloud.sandbox.world.books()
    with days.cloud.google.bigquery() as client:  # no query: the last test analyzes those of the program
        rows = list(client.list_rows(client.get_table("EDW.mart_executive")))
    for measure in ("arr", "bookings", "invoiced", "collected"):
        mart: dict[tuple[str, date, str], Decimal] = {
            (row["brand"], row["month_start"], row["currency"]): Decimal(row[measure]) for row in rows if row[measure]
        }
        own = {key: Decimal(v) for key, v in getattr(books, measure).items() if key[0] in COMMERCIAL and v}
        assert mart == own, measure


def test_the_first_day_loads_the_same_batches_on_both(day_one: tuple[DailySummary, DailySummary]) -> None:
    local, cloud = day_one
    assert not cloud.failures
    assert len({r.table for r in cloud.loads}) == 21
    assert _told(cloud) == _told(local)


def test_every_table_of_day_one_is_the_same(days: Days, day_one: tuple[DailySummary, DailySummary]) -> None:
    _assert_same_content(days)
    _assert_marts_equal_books(days)


def test_tableau_has_refreshed_and_the_files_are_there(days: Days, day_one: tuple[DailySummary, DailySummary]) -> None:
    assert Counter(r.state for r in day_one[1].refreshes) == {"refreshed": 5}
    assert len(list((days.cloud.home / "hyper").glob("*.hyper"))) == 5


def test_the_second_day_changes_the_same_rows_on_both(day_two: tuple[DailySummary, DailySummary]) -> None:
    local, cloud = day_two
    assert not cloud.failures
    assert _told(cloud) == _told(local)
    for kind in ("inserted", "updated", "deleted"):
        assert sum(getattr(r, kind) for r in cloud.loads) > 0, kind


def test_every_table_of_day_two_is_the_same(days: Days, day_two: tuple[DailySummary, DailySummary]) -> None:
    _assert_same_content(days)
    _assert_marts_equal_books(days)


def test_running_the_second_day_again_changes_nothing(days: Days, day_two: tuple[DailySummary, DailySummary]) -> None:
    again = days.cloud.run(daily_refresh)
    assert sum(r.changed for r in again.loads) == 0
    _assert_same_content(days)


def test_every_statement_of_the_loads_is_sql_that_bigquery_takes(
    days: Days, day_two: tuple[DailySummary, DailySummary]
) -> None:
    with days.cloud.google.bigquery() as client:
        answers = analyzed(client, DATASETS, but="dbt")  # which test_dbt.py looks at
    assert answers.refused == {}
    assert {"MergeStatement", "BeginStatement", "CommitStatement", "CreateTableStatement"} <= answers.kinds.keys()
