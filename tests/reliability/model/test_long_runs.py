"""Thousands of histories a source. `EXAMPLES` says how many; the figures go to `results/state_machine.json`."""

from __future__ import annotations

import os

import pytest

from tests.reliability.model.machines import MACHINES
from tests.reliability.model.runs import check_long

EXAMPLES = int(os.environ.get("EXAMPLES", "2000"))


@pytest.mark.slow
@pytest.mark.parametrize("source", MACHINES)
def test_thousands_of_histories(source: str) -> None:
    check_long(source, MACHINES[source], EXAMPLES)
