"""What a person does when something is wrong in STG: backfill, replay, reconcile, quarantine. And what they are told
when a source changes its schema."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.errors import ConfigurationError
from flows.backfill import backfill
from flows.netsuite import netsuite
from flows.quarantine import quarantine
from flows.reconcile import reconcile
from flows.replay import replay
from flows.salesforce import salesforce
from flows.zuora import zuora
from tests.flows.conftest import ROOT, Stage
from tests.flows.oracle import Oracle

TABLE = "sfdc_account"
STRICTER = ("health_score BETWEEN 0 AND 100", "health_score BETWEEN 40 AND 100")
QUERY_JOBS = r"POST .*/jobs/query$"


@pytest.fixture(scope="module")
def oracle(stage: Stage) -> Oracle:
    return Oracle(stage.home / "oracle.duckdb", stage.sandbox.world)


@pytest.fixture
def fresh(stage: Stage, tmp_path: Path) -> Iterator[Stage]:
    """An empty lake and warehouse in front of the module's sandbox."""
    stage.sandbox.slack.messages.clear()
    yield Stage(tmp_path, stage.sandbox)
    for faults in stage.sandbox.faults.values():
        faults.clear()


def _spoil(stage: Stage, statement: str) -> None:
    with duckdb.connect(str(stage.database)) as connection:
        connection.execute(statement)


def _no_answer(stage: Stage, system: str) -> None:
    """From now on the system answers nothing but errors."""
    stage.sandbox.faults[system].arm(".*", times=10_000, status=400, body="nobody should have asked")


def _contract(home: Path, table: str, old: str, new: str, count: int = 1) -> dict[str, str]:
    """Settings that name a copy of the contract with one change in one table."""
    staging = home / "dbt-project" / "models" / "staging"
    shutil.rmtree(home / "dbt-project", ignore_errors=True)
    shutil.copytree(ROOT / "dbt" / "models" / "staging", staging)
    source = "salesforce" if table.startswith("sfdc") else table.partition("_")[0]
    path = staging / source / f"_{source}__sources.yml"
    text = path.read_text()
    start = text.index(f"- name: {table}\n")
    assert re.search(old, text[start:])
    path.write_text(text[:start] + re.sub(old, new, text[start:], count=count))
    return {"MGDW_DBT_PROJECT_DIR": str(home / "dbt-project")}


def test_a_backfill_fetches_rows_that_were_lost_in_its_window_and_goes_on_where_it_stopped(
    fresh: Stage, oracle: Oracle
) -> None:
    fresh.run(salesforce, tables=[TABLE])
    newest = fresh.rows(f"SELECT max(system_modstamp) FROM STG.{TABLE}")[0][0]
    start = (newest - timedelta(days=60)).date()
    _spoil(fresh, f"DELETE FROM STG.{TABLE} WHERE system_modstamp >= '{start}'")
    _spoil(fresh, f"UPDATE STG.{TABLE} SET name = 'spoilt' WHERE system_modstamp < '{start}'")
    assert oracle.differences(fresh.database, [TABLE]) != {}

    first = fresh.run(backfill, table=TABLE, start=start, step_days=20, label="mend")
    assert len(first) >= 3
    assert sum(result.inserted for result in first) > 0
    lost = f"SELECT count(*) FROM world.STG.{TABLE} w WHERE system_modstamp >= '{start}'"
    assert _compared(fresh, oracle, lost) == fresh.rows(
        f"SELECT count(*) FROM STG.{TABLE} WHERE system_modstamp >= '{start}'"
    )

    content = fresh.content()
    _no_jobs(fresh)
    again = fresh.run(backfill, table=TABLE, start=start, step_days=20, label="mend")
    assert {result.batch_id for result in again if not result.skipped} <= {again[-1].batch_id}
    assert fresh.content() == content

    everything = date(2000, 1, 1)
    fresh.sandbox.faults["salesforce"].clear()
    fresh.run(backfill, table=TABLE, start=everything, step_days=20_000)
    assert oracle.differences(fresh.database, [TABLE]) == {}


def _no_jobs(stage: Stage) -> None:
    stage.sandbox.faults["salesforce"].arm(QUERY_JOBS, times=100, status=400, body="[]")


def _compared(stage: Stage, oracle: Oracle, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(stage.database), read_only=True) as connection:
        connection.execute(f"ATTACH '{oracle.path}' AS world (READ_ONLY)")
        return connection.execute(sql).fetchall()


def test_a_backfill_of_files_takes_those_delivered_in_its_window(fresh: Stage, oracle: Oracle) -> None:
    from flows.s3_usage import s3_usage

    table = "s3_emma_usage_data"
    fresh.run(s3_usage, tables=[table])
    _spoil(fresh, f"DELETE FROM STG.{table} WHERE hash(account_number) % 3 = 0")
    results = fresh.run(backfill, table=table, start=date(2000, 1, 1))
    assert sum(result.inserted for result in results) > 0
    assert oracle.differences(fresh.database, [table]) == {}


def test_a_backfill_of_nothing_says_so(fresh: Stage) -> None:
    with pytest.raises(ConfigurationError, match="nothing in between"):
        fresh.run(backfill, table=TABLE, start=date(2026, 2, 1), end=date(2026, 2, 1))
    with pytest.raises(ConfigurationError, match="Did you mean 'sfdc_account'"):
        fresh.run(backfill, table="sfdc_acount", start=date(2026, 2, 1))


@pytest.mark.parametrize(
    ("flow", "table", "column"),
    [
        pytest.param(salesforce, "sfdc_campaign", "status", id="salesforce"),
        pytest.param(zuora, "zuora_account", "currency", id="zuora"),
    ],
)
def test_a_column_added_to_the_contract_is_filled_from_the_lake(
    fresh: Stage, oracle: Oracle, flow: Any, table: str, column: str
) -> None:
    without = _contract(fresh.home, table, rf"          - name: {column}\n(            .*\n)+", "")
    fresh.run(flow, without, tables=[table])
    assert column not in {name for (name, *_) in fresh.rows(f"DESCRIBE STG.{table}")}

    for system in ("salesforce", "netsuite", "zuora", "s3"):
        _no_answer(fresh, system)
    results = fresh.run(replay, tables=[table])

    assert [result.table for result in results] == [table]
    assert oracle.differences(fresh.database, [table]) == {}
    assert fresh.rows(f"SELECT count(*) FROM STG.{table} WHERE {column} IS NOT NULL")[0][0] > 0
    content = fresh.content()
    fresh.run(replay)
    assert fresh.content() == content


def test_a_table_that_was_dropped_comes_back_from_the_lake_with_its_tombstones(fresh: Stage, oracle: Oracle) -> None:
    table = "netsuite_products"
    fresh.run(netsuite, tables=[table])
    before = fresh.rows(f"SELECT * EXCLUDE (_loaded_at) FROM STG.{table} ORDER BY ALL")
    _spoil(fresh, f"DROP TABLE STG.{table}")
    fresh.run(replay, tables=[table])
    assert fresh.rows(f"SELECT * EXCLUDE (_loaded_at) FROM STG.{table} ORDER BY ALL") == before
    assert oracle.differences(fresh.database, [table]) == {}


@pytest.mark.parametrize(
    ("flow", "table"),
    [
        pytest.param(salesforce, "sfdc_contact", id="salesforce"),
        pytest.param(netsuite, "netsuite_customers", id="netsuite"),
        pytest.param(zuora, "zuora_account", id="zuora"),
    ],
)
def test_reconciling_keys_buries_what_vanished_and_fetches_what_was_lost(
    fresh: Stage, oracle: Oracle, flow: Any, table: str
) -> None:
    fresh.run(flow, tables=[table])
    fresh.run(reconcile, tables=[table])
    assert oracle.differences(fresh.database, [table]) == {}

    key = fresh.rows(f"DESCRIBE STG.{table}")[0][0]
    ghost = "'ghost'" if table != "netsuite_customers" else "999999999"
    newest = fresh.rows(f"SELECT max({key}) FROM STG.{table}")[0][0]
    _spoil(
        fresh, f"INSERT INTO STG.{table} SELECT * REPLACE ({ghost} AS {key}) FROM STG.{table} WHERE {key} = '{newest}'"
    )
    _spoil(fresh, f"DELETE FROM STG.{table} WHERE {key} = '{newest}'")

    fresh.run(reconcile, tables=[table])

    assert fresh.rows(f"SELECT _deleted FROM STG.{table} WHERE {key} = {ghost}") == [(True,)]
    assert oracle.differences(fresh.database, [table]) == {}
    told = fresh.sandbox.slack.texts
    assert len(told) == 1
    assert f"`{table}` 1" in told[0]


def test_rows_in_quarantine_are_counted_shown_and_loaded_again_when_the_contract_is_corrected(
    fresh: Stage, oracle: Oracle
) -> None:
    table = "sfdc_account"
    strict = {**_contract(fresh.home, table, *STRICTER), "MGDW_QUARANTINE_SHARE": "1"}
    (result,) = fresh.run(salesforce, strict, tables=[table])
    assert result.quarantined > 0

    groups = fresh.run(quarantine, strict, action="list")
    assert [(g["table"], g["rows"]) for g in groups] == [(table, result.quarantined)]
    assert "health_score_is_a_percentage" in groups[0]["reason"]
    shown = fresh.run(quarantine, strict, action="show", table=table, limit=3)
    assert len(shown) == 3

    assert fresh.run(quarantine, action="replay") == []
    assert oracle.differences(fresh.database, [table]) == {}


def test_rows_in_quarantine_are_let_go_only_by_name(fresh: Stage) -> None:
    table = "sfdc_account"
    strict = {**_contract(fresh.home, table, *STRICTER), "MGDW_QUARANTINE_SHARE": "1"}
    (result,) = fresh.run(salesforce, strict, tables=[table])
    with pytest.raises(ConfigurationError, match="needs a table"):
        fresh.run(quarantine, strict, action="drop")
    assert fresh.run(quarantine, strict, action="drop", table=table, reason="another reason") != []
    assert fresh.run(quarantine, strict, action="drop", table=table) == []
    assert fresh.rows(f"SELECT count(*) FROM STG.{table}")[0][0] == result.read - result.quarantined


@pytest.mark.parametrize(
    ("flow", "system", "table", "hidden", "field"),
    [
        pytest.param(salesforce, "salesforce", "sfdc_campaign", "Campaign.ActualCost", "ActualCost", id="salesforce"),
        pytest.param(netsuite, "netsuite", "netsuite_customers", "customer.email", "email", id="netsuite"),
        pytest.param(zuora, "zuora", "zuora_account", "Account.Currency", "Currency", id="zuora"),
    ],
)
def test_a_field_that_vanishes_is_told_once_and_its_column_keeps_what_it_has(
    fresh: Stage, oracle: Oracle, flow: Any, system: str, table: str, hidden: str, field: str
) -> None:
    fresh.run(flow, tables=[table])
    options = getattr(fresh.sandbox, system).options
    options.hidden = frozenset({hidden})
    try:
        fresh.run(flow, tables=[table], full=True)
        fresh.run(flow, tables=[table], full=True)
    finally:
        options.hidden = frozenset()
    assert oracle.differences(fresh.database, [table]) == {}
    assert [field in text for text in fresh.sandbox.slack.texts] == [True]

    fresh.run(flow, tables=[table], full=True)
    assert len(fresh.sandbox.slack.texts) == 2
    assert "back at the source" in fresh.sandbox.slack.texts[1]
    assert oracle.differences(fresh.database, [table]) == {}
