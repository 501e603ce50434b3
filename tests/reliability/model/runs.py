"""Runs a machine, and keeps the figures of the long runs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.reliability.model.stage import Stage
from tests.reliability.model.watched import Tally

SHRINK = os.environ.get("MGDW_SHRINK") == "1"
RESULTS = Path(__file__).parents[1] / "results" / "state_machine.json"


def check(machine: Any, examples: int, *, random: bool = False) -> Tally:
    """Run so many examples. Raises what the first failing one raised (made small with MGDW_SHRINK=1: minutes).

    Args:
        random: other examples each time, not the same ones.
    """
    machine.stage = Stage(machine.TABLE)
    machine.tally = Tally()
    phases = [Phase.generate, *([Phase.shrink] if SHRINK else [])]
    chosen = settings(
        max_examples=examples, stateful_step_count=14, deadline=None, database=None, derandomize=not random,
        suppress_health_check=list(HealthCheck), print_blob=False, phases=phases, report_multiple_bugs=False,
    )  # fmt: skip
    try:
        with machine.opened():
            run_state_machine_as_test(machine, settings=chosen)
    finally:
        machine.stage.close()
    return machine.tally


def keep(name: str, found: Any, *, among: str) -> None:
    """Write what one long run found beside what the others did."""
    RESULTS.parent.mkdir(exist_ok=True)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept.setdefault(among, {})[name] = found
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def figures(tally: Tally, seconds: float) -> dict[str, Any]:
    """A tally for the results; only a run without a violation has one."""
    return {**asdict(tally), "violations": 0, "seconds": round(seconds)}
