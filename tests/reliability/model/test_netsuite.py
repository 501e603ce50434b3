"""Whatever happens at NetSuite and on the way, the next clean run makes STG equal to it."""

from __future__ import annotations

from tests.reliability.model.machines import MACHINES
from tests.reliability.model.runs import check


def test_the_warehouse_equals_the_source_after_any_history() -> None:
    check(MACHINES["netsuite"], 25)
