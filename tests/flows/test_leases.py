"""Two runs of one source at once: the second waits, and one that was taken for dead loads nothing more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import duckdb
import pytest

from connectors.contract import load_contract
from flows.load import LoadFailed
from flows.zuora import zuora
from tests.flows.conftest import Stage

PATIENCE = 300.0
A_FILE = r"GET /v1/file/"
TABLES = {table.name for table in load_contract().of("zuora")}


@contextmanager
def _when_logged(logger: str, text: str) -> Generator[threading.Event]:
    """Set as soon as the log has a line with the text."""
    seen = threading.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
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
