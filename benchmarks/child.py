"""One contestant in a process of its own: how long it took from start to exit, and what it needed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run of a contestant.

    Attributes:
        wall: seconds from start to exit, imports included.
        cpu: seconds of processor time, its own children included.
        memory: peak resident megabytes of the process itself (`VmHWM`).
        facts: what it reported.
    """

    wall: float
    cpu: float
    memory: float
    facts: dict[str, Any]


def run(module: str, *arguments: str, environment: Mapping[str, str]) -> Run:
    """Run `python -m module arguments` to its end. Raises RuntimeError with its output if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment}, cwd=Path(__file__).parent.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stdout}{done.stderr}")
    facts = json.loads(done.stdout.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, facts.pop("memory"), facts)


def report(**facts: Any) -> None:
    """Called by a contestant at its end: print its facts and its peak memory as one line."""
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({**facts, "memory": peak / 1024}))
