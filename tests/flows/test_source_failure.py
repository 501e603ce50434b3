"""Zuora is down on day two, up again later, and then comes a day on which much breaks at once. Told in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from flows.daily_refresh import DailySummary, daily_refresh
from flows.failures import Failure, StepFailed
from tests.flows.conftest import Stage

COMMERCIAL = ("Campaign Monitor", "Emma")
ZUORA_TABLES = {
    "zuora_account", "zuora_subscription", "zuora_rate_plan", "zuora_invoice", "zuora_payment", "zuora_product",
}  # fmt: skip
MAINTENANCE = {"Retry-After": "3600"}
"""Longer than a run waits, so that it ends at once."""


def _refreshes(stage: Stage) -> dict[str, int]:
    """How often each published data source was refreshed so far."""
    return {source.name: source.refreshes for source in stage.sandbox.tableau.data_sources.values()}


def _digests(stage: Stage) -> dict[str, tuple[int, int]]:
    """Rows and an order-free digest of every table in ODS and EDW, views left out."""
    with duckdb.connect(str(stage.database), read_only=True) as connection:
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE schema_name IN ('ODS', 'EDW')"
        ).fetchall()
        found: dict[str, tuple[int, int]] = {}
        for schema, name in tables:
            query = f'SELECT count(*), coalesce(bit_xor(hash(t)), 0) FROM {schema}."{name}" t'
            found[name] = connection.execute(query).fetchall()[0]
        return found


def _fails(stage: Stage) -> StepFailed:
    stage.sandbox.slack.messages.clear()
    with pytest.raises(StepFailed) as caught:
        stage.run(daily_refresh)
    return caught.value


def _mart(stage: Stage, measure: str) -> dict[tuple[str, date, str], Decimal]:
    rows = stage.rows(f"SELECT brand, month_start, currency, {measure} FROM EDW.mart_executive")
    return {(brand, month, currency): Decimal(value) for brand, month, currency, value in rows if value}


def _assert_executive_mart_equals_books(stage: Stage) -> None:
    books = stage.sandbox.world.books()
    for measure in ("arr", "bookings", "invoiced", "collected"):
        own: dict[tuple[str, date, str], Any] = getattr(books, measure)
        assert _mart(stage, measure) == {k: Decimal(v) for k, v in own.items() if k[0] in COMMERCIAL and v}, measure


@pytest.fixture(scope="module")
def first_day(stage: Stage) -> DailySummary:
    """Day one, on which all is well."""
    return stage.run(daily_refresh, full=True)


@pytest.fixture(scope="module")
def yesterday(stage: Stage, first_day: DailySummary) -> dict[str, tuple[int, int]]:
    """ODS and EDW at the end of day one."""
    return _digests(stage)


@pytest.fixture(scope="module")
def zuora_down(stage: Stage, yesterday: dict[str, tuple[int, int]]) -> Iterator[StepFailed]:
    """Day two without Zuora."""
    stage.sandbox.advance(1)
    stage.sandbox.faults["zuora"].arm(".", times=None, status=503, headers=MAINTENANCE)
    try:
        yield _fails(stage)
    finally:
        stage.sandbox.faults["zuora"].clear()


def test_a_day_on_which_all_is_well_is_silent(stage: Stage, first_day: DailySummary) -> None:
    assert not first_day.failures
    assert stage.sandbox.slack.messages == []
    assert set(_refreshes(stage).values()) == {1}


def test_a_source_that_is_down_fails_each_of_its_tables_and_no_other(stage: Stage, zuora_down: StepFailed) -> None:
    assert {(f.step, f.what) for f in zuora_down.failures} == {("zuora", table) for table in ZUORA_TABLES}
    loaded = stage.rows("SELECT DISTINCT source FROM STG._ledger WHERE window_hi >= ?", stage.sandbox.now)
    assert {source for (source,) in loaded} == {"salesforce", "netsuite"}
    files = {file.key for file in stage.sandbox.world.files()}
    assert {key for (key,) in stage.rows("SELECT DISTINCT _file FROM STG.s3_cm_usage_data")} <= files
    assert stage.sandbox.world.file_events
    for key in stage.sandbox.world.file_events:
        table = "s3_cm_usage_data" if key.startswith("cm/") else "s3_emma_usage_data"
        assert stage.rows(f"SELECT count(*) FROM STG.{table} WHERE _file = ?", key)[0][0] > 0


def test_what_stands_on_it_keeps_yesterdays_rows_and_the_rest_is_built(
    stage: Stage, zuora_down: StepFailed, yesterday: dict[str, tuple[int, int]]
) -> None:
    today = _digests(stage)
    assert today.keys() == yesterday.keys()
    for model in ("fct_subscription_ods", "fct_invoice_ods", "fct_payment_ods", "fct_arr_movement", "mart_finance"):
        assert today[model] == yesterday[model], model
        assert model in zuora_down.skipped
    assert today["mart_executive"] == yesterday["mart_executive"]
    for model in ("fct_campaign_performance_ods", "fct_opportunity_ods"):
        assert today[model] != yesterday[model], model
        assert model not in zuora_down.skipped
    changed = {model for model in today if today[model] != yesterday[model]}
    assert not changed.intersection(zuora_down.skipped)


def test_only_data_sources_that_do_not_stand_on_it_are_refreshed(stage: Stage, zuora_down: StepFailed) -> None:
    refreshes = _refreshes(stage)
    skipped = {name.removeprefix("Tableau ") for name in zuora_down.skipped if name.startswith("Tableau ")}
    assert {"Executive", "Finance", "Customer Success"} <= skipped
    assert "Marketing" not in skipped
    assert refreshes == {name: 1 if name in skipped else 2 for name in refreshes}


def test_slack_hears_of_it_once_and_in_full(stage: Stage, zuora_down: StepFailed) -> None:
    (text,) = stage.sandbox.slack.texts
    assert "daily-refresh" in text
    assert all(f"`{table}`" in text for table in ZUORA_TABLES)
    assert text.count("answered 503") == 1
    assert "What to do: Run the flow again later" in text
    assert "`Tableau Finance`" in text
    assert "/runs/flow-run/" in text


def test_once_it_is_up_again_everything_is_made_good_in_silence(stage: Stage, zuora_down: StepFailed) -> None:
    stage.sandbox.faults["zuora"].clear()
    stage.sandbox.slack.messages.clear()
    summary: DailySummary = stage.run(daily_refresh)
    assert not summary.failures
    assert stage.sandbox.slack.messages == []
    _assert_executive_mart_equals_books(stage)


@pytest.fixture(scope="module")
def bad_day(stage: Stage, zuora_down: StepFailed) -> Iterator[StepFailed]:
    """One table of Zuora is hidden, a row is twice in STG's campaign members, and Tableau cannot refresh Sales."""
    one = "SELECT * FROM STG.sfdc_campaign_member WHERE NOT _deleted LIMIT 1"
    with duckdb.connect(str(stage.database)) as connection:
        connection.execute(f"INSERT INTO STG.sfdc_campaign_member {one}")
    stage.sandbox.zuora.options.hidden = frozenset({"Payment"})
    stage.sandbox.tableau.fail_refreshes("Sales", "the database password has expired")
    try:
        yield _fails(stage)
    finally:
        stage.sandbox.zuora.options.hidden = frozenset()
        stage.sandbox.tableau.heal()


def _of(error: StepFailed, step: str) -> list[Failure]:
    return [f for f in error.failures if f.step.startswith(step)]


def test_a_single_failed_table_stops_only_what_is_built_from_it(bad_day: StepFailed) -> None:
    assert [f.what for f in _of(bad_day, "zuora")] == ["zuora_payment"]
    assert {"fct_payment_ods", "fct_payment", "mart_finance", "Tableau Finance", "Tableau Executive"} <= {
        *bad_day.skipped
    }
    assert not {"fct_subscription_ods", "fct_invoice_ods", "mart_customer_success"}.intersection(bad_day.skipped)


def test_a_failed_test_of_the_data_blocks_the_data_source_above_it(bad_day: StepFailed) -> None:
    assert any("campaign" in f.what for f in _of(bad_day, "dbt"))
    assert "Tableau Marketing" in bad_day.skipped
    assert "fct_campaign_performance_ods" in bad_day.skipped
    assert not {"Tableau Sales", "Tableau Customer Success"}.intersection(bad_day.skipped)


def test_a_refresh_that_failed_is_told_with_what_the_site_says(bad_day: StepFailed) -> None:
    (failure,) = _of(bad_day, "tableau")
    assert failure.what == "Sales"
    assert "the database password has expired" in failure.cause
    assert "credentials" in failure.remedy


def test_a_day_of_many_failures_is_still_one_message(stage: Stage, bad_day: StepFailed) -> None:
    (text,) = stage.sandbox.slack.texts
    for told in ("*zuora*: `zuora_payment`", "*dbt-", "*tableau*: `Sales`", "the database password has expired"):
        assert told in text
