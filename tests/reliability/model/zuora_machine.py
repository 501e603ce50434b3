"""Zuora under the state machine: the real connector on a wire to the model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.contract import DataType
from connectors.http import RetryPolicy
from connectors.source import Source
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource
from tests.reliability.model.effects import Wire
from tests.reliability.model.machine import SourceMachine
from tests.reliability.model.table import ModelTable, contract_table
from tests.reliability.model.zuora import ZuoraTenant

ACCOUNT = contract_table(
    "zuora", "zuora_account", "Account",
    {
        "id": ("Id", DataType.STRING), "name": ("Name", DataType.STRING), "amount": ("Balance", DataType.NUMERIC),
        "seats": ("Seats__c", DataType.INT64), "active": ("AutoPay", DataType.BOOL),
        "day": ("Day__c", DataType.DATE), "seen_at": ("Seen__c", DataType.TIMESTAMP),
        "changed_at": ("UpdatedDate", DataType.TIMESTAMP),
    },
    cursor="changed_at",
)  # fmt: skip
SECRET, TOKEN = "zuora-planted-secret-4711", "zuora-planted-token-4712"
SETTINGS = ZuoraSettings(base_url="https://zuora.model", client_id="model", client_secret=SecretStr(SECRET))


class ZuoraMachine(SourceMachine):
    TABLE = ACCOUNT
    LATENESS = timedelta(seconds=300 + 1800)
    LAG = 300
    KEEPS_DELETED = True
    PURGES = False
    TELLS_TYPES = True

    def start(self, model: ModelTable, data: st.DataObject) -> ZuoraTenant:
        return ZuoraTenant(
            model, SECRET, TOKEN,
            shows_deletes=data.draw(st.booleans()),
            segment_rows=data.draw(st.sampled_from([1, 3, 50])),
        )  # fmt: skip

    def connect(self, retry: RetryPolicy) -> Source:
        wire = Wire(self.server.serve, lambda: self.stage.effects, self.server.expire)
        return ZuoraSource(SETTINGS, transport=wire, retry=retry)

    def key(self, number: int) -> Any:
        return f"2c92c0f8{number:024d}"

    def secrets(self) -> list[str]:
        return [SECRET, TOKEN]

    def most_calls(self, pages: int) -> int:
        # login, describe three times, the job (and once more without deleted rows), three looks at it, its files.
        return 12 + pages

    def finds_deletes(self, full: bool) -> bool:
        return full or self.server.shows_deletes
