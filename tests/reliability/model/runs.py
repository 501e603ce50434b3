"""Runs a machine. A long run goes in chunks and keeps its figures after each: stopped, it loses nothing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import connectors
from tests.reliability import page, results
from tests.reliability.model.stage import Stage
from tests.reliability.model.watched import Tally

SHRINK = os.environ.get("SHRINK") == "1"
CHUNK = 50
"""Examples after which a long run keeps its figures."""


def _digest() -> str:
    """Of the code under test, as it is now."""
    root = Path(connectors.__path__[0])
    code = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        code.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return code.hexdigest()[:12]


CODE = _digest()


def check(machine: Any, examples: int, *, seed: int | None = None) -> Tally:
    """Run so many examples. Raises what the first failing one raised (made small with SHRINK=1: minutes).

    Args:
        seed: draws other examples than without one.
    """
    machine.stage = Stage(machine.TABLE)
    machine.tally = Tally()
    machine._hypothesis_internal_use_seed = None
    if seed is not None:
        hypothesis.seed(seed)(machine)
    phases = [Phase.generate, *([Phase.shrink] if SHRINK else [])]
    chosen = settings(
        max_examples=examples, stateful_step_count=14, deadline=None, database=None, derandomize=seed is None,
        suppress_health_check=list(HealthCheck), print_blob=False, phases=phases, report_multiple_bugs=False,
    )  # fmt: skip
    try:
        with machine.opened():
            run_state_machine_as_test(machine, settings=chosen)
    finally:
        machine.stage.close()
    return machine.tally


def check_long(source: str, machine: Any, target: int) -> None:
    """Run chunks of examples until `target` of them are on record. Raises what the first failing one raised.

    A record that is not full yet is added to; one that is full, or has a violation, is begun anew.
    """
    kept = (results.read("state_machine") or {}).get("sources", {}).get(source, {})
    if kept.get("violations", 0) or kept.get("examples", 0) >= target:
        kept = {}
    while kept.get("examples", 0) < target:
        seed, started = random.getrandbits(32), time.monotonic()
        try:
            check(machine, min(CHUNK, target - kept.get("examples", 0)), seed=seed)
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                error.add_note(f"{source}, seed {seed}")
                keep(source, added(kept, machine.tally, time.monotonic() - started, violations=1), among="sources")
            raise
        kept = added(kept, machine.tally, time.monotonic() - started)
        keep(source, kept, among="sources")


def added(kept: dict[str, Any], tally: Tally, seconds: float, *, violations: int = 0) -> dict[str, Any]:
    """The figures of a source with those of one more chunk.

    Returns:
        By name; `code` holds the examples by digest of the connectors they were made with.
    """
    found = asdict(tally)
    sums = {name: kept.get(name, 0) + count for name, count in found.items()}
    sums["most_calls"] = max(kept.get("most_calls", 0), tally.most_calls)
    code = dict(kept.get("code", {}))
    code[CODE] = code.get(CODE, 0) + tally.examples
    return {
        **sums, "code": code, "seconds": kept.get("seconds", 0) + round(seconds),
        "violations": kept.get("violations", 0) + violations,
    }  # fmt: skip


def keep(name: str, found: Any, *, among: str) -> None:
    """Write what one run found beside what the others did, and the page that tells of it."""
    with (results.FOLDER / "state_machine.json").open("a+") as file:
        # Another source's run may write at the same time.
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = results.read("state_machine") or {}
        kept.setdefault(among, {})[name] = found
        results.write("state_machine", kept)
        page.PAGE.write_text(page.page())
