"""A run that takes too long: it ends TimedOut, is told of once, keeps what it loaded, and the next one goes on."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prefect import Flow

from connectors.contract import load_contract
from flows.daily_refresh import daily_refresh
from flows.netsuite import netsuite
from flows.zuora import zuora
from sandbox.faults import Faults
from tests.flows.conftest import Stage
from tests.flows.oracle import Oracle

PATIENCE = 300.0
LIMITED = {"MGDW_TIME_LIMIT": "4", "MGDW_LEASE_SECONDS": "3600"}
"""A lease that is not given back would keep the next run away for longer than any test lasts."""


@contextmanager
def _hanging(faults: Faults, request: str, after: int) -> Generator[None]:
    """The system answers this request when the block has ended."""
    over = threading.Event()
    faults.arm(request, after=after, times=None, act=lambda: over.wait(PATIENCE))
    try:
        yield
    finally:
        over.set()
        faults.clear()


def _held(stage: Stage) -> list[str]:
    with duckdb.connect(str(stage.database.with_name("mgdw-leases.duckdb"))) as leases:
        found = leases.execute("SELECT name FROM STG._ledger_leases WHERE name <> '_tokens'").fetchall()
    return [name for (name,) in found]


@pytest.mark.parametrize(
    ("flow", "system", "request_", "after"),
    [
        pytest.param(netsuite, "netsuite", r"POST .*/suiteql", 9, id="between two pages"),
        pytest.param(zuora, "zuora", r"GET /v1/file/", 3, id="with some tables loaded and some not"),
    ],
)
def test_a_source_that_hangs_times_out_and_the_next_run_loads_what_is_left(
    stage: Stage, tmp_path: Path, flow: Flow[..., Any], system: str, request_: str, after: int
) -> None:
    stage.sandbox.slack.messages.clear()
    with _hanging(stage.sandbox.faults[system], request_, after):
        state = stage.run(flow, LIMITED, return_state=True)

    assert state.name == "TimedOut"
    assert state.message.startswith("Flow run failed due to timeout: it had not ended after 0:00:04, its time limit")
    assert "What to do: See the run's log" in state.message
    [told] = stage.sandbox.slack.texts
    assert "its time limit" in told
    assert "what was loaded stays" in told
    assert _held(stage) == []
    kept = stage.rows("SELECT batch_id FROM STG._ledger WHERE source = ?", system)

    stage.run(flow)

    tables = [table.name for table in load_contract().of(system)]
    assert Oracle(tmp_path / "world.duckdb", stage.sandbox.world).differences(stage.database, tables) == {}
    ledger = stage.rows("SELECT batch_id FROM STG._ledger WHERE source = ?", system)
    assert set(kept) < set(ledger)
    assert len(ledger) == len(set(ledger)) == len(tables)


def test_a_whole_day_that_hangs_in_one_process_times_out_with_all_its_steps(stage: Stage) -> None:
    stage.sandbox.slack.messages.clear()
    with _hanging(stage.sandbox.faults["zuora"], r"GET /v1/file/", 0):
        stage.sandbox.advance(1)
        state = stage.run(daily_refresh, LIMITED, return_state=True, sources=["zuora"])
    assert state.name == "TimedOut"
    assert len(stage.sandbox.slack.texts) == 1
    assert _held(stage) == []


def test_a_run_within_its_limit_knows_nothing_of_it(stage: Stage) -> None:
    assert stage.run(zuora, {"MGDW_TIME_LIMIT": "3600"}, return_state=True).is_completed()
