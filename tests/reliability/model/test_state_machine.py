"""Whatever happens at the source and on the way, the next clean run makes STG equal to the source."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.reliability.model.files_machine import FilesMachine
from tests.reliability.model.netsuite_machine import NetSuiteMachine
from tests.reliability.model.runs import check, figures, keep
from tests.reliability.model.salesforce_machine import SalesforceMachine
from tests.reliability.model.zuora_machine import ZuoraMachine

MACHINES: dict[str, Any] = {
    "salesforce": SalesforceMachine,
    "netsuite": NetSuiteMachine,
    "zuora": ZuoraMachine,
    "s3": FilesMachine,
}
EXAMPLES = int(os.environ.get("MGDW_EXAMPLES", "2000"))


@pytest.mark.parametrize("source", MACHINES)
def test_the_warehouse_equals_the_source_after_any_history(source: str) -> None:
    check(MACHINES[source], 40)


@pytest.mark.slow
@pytest.mark.parametrize("source", MACHINES)
def test_thousands_of_histories(source: str) -> None:
    machine = MACHINES[source]
    started = time.monotonic()
    tally = check(machine, EXAMPLES, random=True)
    keep(source, figures(tally, time.monotonic() - started))
