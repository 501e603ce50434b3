"""Writes what the suite found into `results.json`: `python -m tests.conformance.results` (from the checkout's root).

Layout::

    {"stations": {"salesforce": {"sandbox": {"passed": 61, "failed": 0},
                                 "hostile": {"passed": 97, "failed": 1}}, …},
     "failed": ["test_hostile_values.py::…[STRING-zuora-hostile]", …],
     "hostile_values": {"STRING": {"right to left": 3, …}, "NUMERIC": {…}, …,
                        "JSON numbers and literals": {…}, "unspeakable": 4},
     "answers": ["identity encoding", …]}

It says nothing of the day or the machine. `hostile_values` counts texts by column type and kind; each is sent by
every hostile server that can say it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.hostile.values import BARE, UNSPEAKABLE, VALUES
from tests.conformance.test_hostile_answers import SHAPES

RESULTS = Path(__file__).parent / "results.json"


class Record:
    """A pytest plugin that counts outcomes by station."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, Counter[str]]] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a check of a station."""
        of = next((name for name in _brackets(report.nodeid) if name.endswith(("-sandbox", "-hostile"))), None)
        if report.when != "call" or of is None:
            return
        source, _, server = of.rpartition("-")
        self.counts.setdefault(source, {}).setdefault(server, Counter())[report.outcome] += 1
        if report.failed:
            self.failed.append(report.nodeid.removeprefix("tests/conformance/"))

    def summary(self) -> dict[str, Any]:
        """What is written."""
        return {
            "stations": {
                source: {server: {o: c[o] for o in ("passed", "failed")} for server, c in sorted(servers.items())}
                for source, servers in sorted(self.counts.items())
            },
            "failed": sorted(self.failed),
            "hostile_values": {
                **{str(of): {kind: len(values) for kind, values in kinds.items()} for of, kinds in VALUES.items()},
                "JSON numbers and literals": {
                    str(of): sum(len(values) for values in kinds.values()) for of, kinds in BARE.items()
                },
                "unspeakable": len(UNSPEAKABLE),
            },
            "answers": list(SHAPES),
        }


def _brackets(nodeid: str) -> list[str]:
    """The station among the parameters of a test's name."""
    inside = nodeid.rpartition("[")[2].rstrip("]")
    sources = ("salesforce-rest", "salesforce", "netsuite", "zuora", "s3-jsonl", "s3")
    return [f"{s}-{server}" for server in ("sandbox", "hostile") for s in sources if inside.endswith(f"{s}-{server}")]


def main(arguments: list[str]) -> int:
    """Run the suite (further arguments go to pytest) and write the results."""
    record = Record()
    status = pytest.main(["-q", "-p", "no:xdist", "tests/conformance", *arguments], plugins=[record])
    RESULTS.write_text(json.dumps(record.summary(), indent=1) + "\n")
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
