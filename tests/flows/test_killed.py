"""A run that is killed without a word: what it left is harmless, and the next run makes everything good."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.contract import load_contract
from flows.netsuite import netsuite
from flows.zuora import zuora
from sandbox.faults import Faults
from tests.flows.conftest import ROOT, Stage
from tests.flows.oracle import Oracle

_ARRIVES = 90.0
"""Seconds within which the run gets to the point where it is killed; most of it is Prefect's import."""


def _killed_at(stage: Stage, flow: str, faults: Faults, request: str, after: int) -> None:
    """Run a flow in a process of its own and SIGKILL it while its request hangs."""
    reached, killed = threading.Event(), threading.Event()

    def hang() -> None:
        reached.set()
        killed.wait(_ARRIVES)

    faults.arm(request, after=after, act=hang)
    run = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", flow],
        cwd=ROOT, env={**os.environ, **stage.environment()}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert reached.wait(_ARRIVES), "the run never came to the request at which it is to be killed"
    finally:
        run.kill()
        run.wait()
        killed.set()
        faults.clear()


@pytest.mark.parametrize(
    ("flow", "again", "system", "request_", "after"),
    [
        pytest.param("netsuite", netsuite, "netsuite", r"POST .*/suiteql", 9, id="between two pages"),
        pytest.param("zuora", zuora, "zuora", r"GET /v1/file/", 3, id="with some tables loaded and some not"),
    ],
)
def test_a_killed_run_is_made_good_by_the_next_one(
    stage: Stage, tmp_path: Path, flow: str, again: Callable[..., object], system: str, request_: str, after: int
) -> None:
    _killed_at(stage, flow, stage.sandbox.faults[system], request_, after)

    stage.run(again)

    tables = [table.name for table in load_contract().of(system)]
    assert Oracle(tmp_path / "world.duckdb", stage.sandbox.world).differences(stage.database, tables) == {}
    ledger = stage.rows("SELECT table_name, count(*) FROM STG._ledger WHERE source = ? GROUP BY 1", system)
    assert ledger == [(name, 1) for name, _ in ledger]
    assert {name for name, _ in ledger} == set(tables)
