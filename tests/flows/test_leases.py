"""Two runs at once that load from one source: the second waits, and one that was taken for dead loads nothing more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb
import pytest

from connectors.contract import load_contract
from connectors.errors import MgdwError
from flows.backfill import backfill
from flows.load import LoadFailed
from flows.quarantine import quarantine
from flows.reconcile import reconcile
from flows.replay import replay
from flows.zuora import zuora
from tests.flows.conftest import Stage

PATIENCE = 300.0
A_FILE = r"GET /v1/file/"
TABLES = {table.name for table in load_contract().of("zuora")}


@contextmanager
def _when_logged(logger: str, text: str, act: Callable[[], object] = int) -> Generator[threading.Event]:
    """Set as soon as the log has a line with the text; before the logger goes on, something may be done."""
    seen = threading.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                act()
                seen.set()

    watch, watched = Watch(), logging.getLogger(logger)
    level = watched.level
    watched.addHandler(watch)
    watched.setLevel(logging.WARNING)
    try:
        yield seen
    finally:
        watched.removeHandler(watch)
        watched.setLevel(level)


def _at_the_first_file(stage: Stage, act: Callable[[], object]) -> None:
    stage.sandbox.faults["zuora"].arm(A_FILE, act=act)


def test_a_run_whose_lease_was_taken_over_loads_nothing_more(stage: Stage) -> None:
    with _when_logged("connectors.warehouse.lease", "was taken over by another run") as noticed:

        def take_over() -> None:
            with duckdb.connect(str(stage.database.with_name("mgdw-leases.duckdb"))) as leases:
                leases.execute("UPDATE STG._ledger_leases SET holder = 'other', token = 99 WHERE name = 'source:zuora'")
            noticed.wait(PATIENCE)

        _at_the_first_file(stage, take_over)
        with pytest.raises(LoadFailed) as caught:
            stage.run(zuora, {"MGDW_LEASE_SECONDS": "1"})
    refused = {failure.what for failure in caught.value.failures}
    loaded = {table for (table,) in stage.rows("SELECT table_name FROM STG._ledger")}
    assert refused  # the table whose file came after it, and what was ready by then
    assert refused == TABLES - loaded
    assert all("another run has taken it over" in failure.cause for failure in caught.value.failures)
    with duckdb.connect(str(stage.database.with_name("mgdw-leases.duckdb"))) as leases:
        # What another one holds is not given back; here nobody is there to do it.
        left = leases.execute("DELETE FROM STG._ledger_leases WHERE name <> '_tokens' RETURNING holder").fetchall()
    assert left == [("other",)]


def test_a_second_run_waits_for_the_first_and_then_finds_nothing_to_do(stage: Stage) -> None:
    stage.sandbox.advance(1)
    began = threading.Event()
    with (
        _when_logged("prefect.flow_runs", "Waiting until that one ends") as waiting,
        ThreadPoolExecutor(2) as threads,
        stage.settings(),
    ):

        def hold() -> None:
            began.set()
            waiting.wait(PATIENCE)

        _at_the_first_file(stage, hold)
        first = threads.submit(stage.run, zuora)
        assert began.wait(PATIENCE)
        second = threads.submit(stage.run, zuora)
        assert sum(result.changed for result in first.result(PATIENCE)) > 0
        assert sum(result.changed for result in second.result(PATIENCE)) == 0
    assert waiting.is_set()


REPAIRS: dict[str, tuple[Any, dict[str, Any]]] = {
    "backfill": (backfill, {"table": "zuora_invoice", "start": date(2000, 1, 1), "step_days": 20_000}),
    "reconcile": (reconcile, {"tables": ["zuora_invoice"]}),
    "replay": (replay, {"tables": ["zuora_invoice"]}),
    "quarantine drop": (quarantine, {"action": "drop", "table": "zuora_invoice"}),
}


@contextmanager
def _being_loaded(stage: Stage) -> Generator[None]:
    """Another run loads from Zuora, and renews its lease when somebody waits for it."""
    file, held = str(stage.database.with_name("mgdw-leases.duckdb")), "STG._ledger_leases"

    def renew() -> None:
        with duckdb.connect(file) as leases:
            leases.execute(f"UPDATE {held} SET expires_at = expires_at + INTERVAL 1 HOUR WHERE holder = 'other'")

    with duckdb.connect(file) as leases:
        told = "'source:zuora', 'other', 'zuora incremental', 99"
        leases.execute(f"INSERT INTO {held} VALUES ({told}, now(), now() + INTERVAL 1 HOUR)")
    with _when_logged("prefect.flow_runs", "Waiting until that one ends", renew):
        yield
    with duckdb.connect(file) as leases:
        leases.execute(f"DELETE FROM {held} WHERE holder = 'other'")


@pytest.mark.parametrize("repair", REPAIRS)
def test_who_repairs_what_a_source_brought_waits_for_whoever_loads_from_it(stage: Stage, repair: str) -> None:
    flow, parameters = REPAIRS[repair]
    stage.run(zuora, tables=["zuora_invoice"])
    before = stage.rows("FROM STG._ledger ORDER BY ALL")
    with _being_loaded(stage), pytest.raises(MgdwError, match="source:zuora is being done by zuora incremental"):
        stage.run(flow, {"MGDW_LEASE_WAIT": "0"}, **parameters)
    assert stage.rows("FROM STG._ledger ORDER BY ALL") == before

    stage.run(flow, **parameters)


def test_a_list_of_the_quarantine_waits_for_nobody(stage: Stage) -> None:
    with _being_loaded(stage):
        assert stage.run(quarantine, {"MGDW_LEASE_WAIT": "0"}) == []
