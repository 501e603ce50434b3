"""The four machines."""

from __future__ import annotations

from typing import Any

from tests.reliability.model.files_machine import FilesMachine
from tests.reliability.model.netsuite_machine import NetSuiteMachine
from tests.reliability.model.salesforce_machine import SalesforceMachine
from tests.reliability.model.zuora_machine import ZuoraMachine

MACHINES: dict[str, Any] = {
    "salesforce": SalesforceMachine, "netsuite": NetSuiteMachine, "zuora": ZuoraMachine, "s3": FilesMachine,
}  # fmt: skip
