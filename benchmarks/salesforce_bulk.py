"""1 M accounts from the Bulk API to STG, everything on, against plain download plus one typed read, side by side.

Goal: at most twice the wall time of the reference measured in the same run, less than 700 MB in the loading process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import child
from benchmarks.child import Run

LONGEST_RATIO = 2.0
MOST_MEMORY = 700.0


def main() -> int:
    """Run the contest; exit status 1 when the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.salesforce_bulk", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs of each; the median counts")
    options = parser.parse_args()
    console = Console(highlight=False)
    with console.status("generating the business and its result pages"), served(options.accounts) as settings:
        contest("benchmarks.plain_download", settings)  # the first job makes the pages; it is not counted
        plain: list[Run] = []
        ours: list[Run] = []
        for _ in range(options.rounds):
            plain.append(contest("benchmarks.plain_download", settings))
            ours.append(contest("benchmarks.load_accounts", settings))
    for run in [*plain, *ours]:
        if (run.facts["rows"], run.facts["revenue"]) != (plain[0].facts["rows"], plain[0].facts["revenue"]):
            raise RuntimeError(f"the contestants disagree: {run.facts} and {plain[0].facts}")
    return show(console, plain, ours)


@contextlib.contextmanager
def served(accounts: int) -> Generator[dict[str, str]]:
    """The org in a process of its own; yields its settings."""
    command = [sys.executable, "-m", "benchmarks.salesforce_server", "--accounts", str(accounts)]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
    )
    try:
        assert server.stdin
        assert server.stdout
        line = server.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox did not start")
        yield json.loads(line)
        server.stdin.close()
        server.wait(timeout=30)
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def contest(module: str, settings: dict[str, str]) -> Run:
    """One run in an empty folder."""
    folder = Path(tempfile.mkdtemp(prefix="mgdw-bench-"))
    try:
        return child.run(module, "--folder", str(folder), environment=settings)
    finally:
        shutil.rmtree(folder)


def show(console: Console, plain: list[Run], ours: list[Run]) -> int:
    """Print the medians and the verdict. Returns the exit status."""
    table = Table("", "wall s", "CPU s", "peak MB", "parts of it", title_justify="left")
    table.title = f"{plain[0].facts['rows']:,} accounts, {plain[0].facts['bytes'] / 1e6:,.0f} MB of CSV"
    for name, runs in (("plain download + typed read", plain), ("mg-dw, everything on", ours)):
        steps = {
            step: statistics.median(run.facts[step] for run in runs)
            for step in ("download", "read", "extract", "load", "close")
            if step in runs[0].facts
        }
        table.add_row(
            name, *(f"{statistics.median(getattr(run, key) for run in runs):.2f}" for key in ("wall", "cpu", "memory")),
            ", ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items()),
        )  # fmt: skip
    console.print(table)
    ratios = [our.wall / reference.wall for our, reference in zip(ours, plain, strict=True)]
    ratio, memory = statistics.median(ratios), max(run.memory for run in ours)
    console.print(
        f"Ratio of wall times {ratio:.2f} (rounds: {', '.join(f'{r:.2f}' for r in ratios)}; goal {LONGEST_RATIO}), "
        f"peak memory {memory:.0f} MB (goal {MOST_MEMORY:.0f}), {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}."
    )
    missed = ratio > LONGEST_RATIO or memory >= MOST_MEMORY
    console.print("[red]The goal is missed.[/]" if missed else "[green]The goal is reached.[/]")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
