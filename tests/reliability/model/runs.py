"""Runs a machine, and keeps the figures of the long runs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.reliability.model.machine import SourceMachine, Tally
from tests.reliability.model.stage import Stage

SHRINK = os.environ.get("MGDW_SHRINK") == "1"
RESULTS = Path(__file__).parents[1] / "results" / "state_machine.json"


def check(machine: type[SourceMachine], examples: int, *, seed: int | None = None, **options: Any) -> Tally:
    """Run so many examples. Raises what the first failing one raised (made small with MGDW_SHRINK=1: minutes)."""
    machine.stage = Stage(machine.TABLE)
    machine.tally = Tally()
    phases = [Phase.generate, *([Phase.shrink] if SHRINK else [])]
    chosen = settings(
        max_examples=examples, stateful_step_count=14, deadline=None, database=None, derandomize=seed is None,
        suppress_health_check=list(HealthCheck), print_blob=False, phases=phases,
        report_multiple_bugs=False, **options,
    )  # fmt: skip
    try:
        run_state_machine_as_test(machine, settings=chosen)
    finally:
        machine.stage.close()
    return machine.tally
