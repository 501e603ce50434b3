"""Thousands of histories a source. `MGDW_EXAMPLES` says how many; the figures go to `results/state_machine.json`."""

from __future__ import annotations

import os
import time

import pytest

from tests.reliability.model.machines import MACHINES
from tests.reliability.model.runs import check, figures, keep

EXAMPLES = int(os.environ.get("MGDW_EXAMPLES", "2000"))


@pytest.mark.slow
@pytest.mark.parametrize("source", MACHINES)
def test_thousands_of_histories(source: str) -> None:
    started = time.monotonic()
    tally = check(MACHINES[source], EXAMPLES, random=True)
    keep(source, figures(tally, time.monotonic() - started), among="sources")
