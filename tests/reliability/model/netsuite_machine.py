"""NetSuite under the state machine: the real connector on a wire to the model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.contract import DataType
from connectors.http import RetryPolicy
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import NetSuiteSource
from connectors.source import Source
from tests.reliability.model.effects import Wire
from tests.reliability.model.machine import SourceMachine
from tests.reliability.model.netsuite import NetSuiteModel
from tests.reliability.model.table import ModelTable, contract_table

CUSTOMER = contract_table(
    "netsuite", "netsuite_customer", "customer",
    {
        "id": ("id", DataType.INT64), "name": ("companyname", DataType.STRING),
        "amount": ("balancesearch", DataType.NUMERIC), "seats": ("custentity_seats", DataType.INT64),
        "active": ("custentity_active", DataType.BOOL), "day": ("firstorderdate", DataType.DATE),
        "seen_at": ("custentity_seen", DataType.TIMESTAMP), "changed_at": ("lastmodifieddate", DataType.TIMESTAMP),
    },
    cursor="changed_at",
)  # fmt: skip
KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
TOKEN = "netsuite-planted-token-4712"
SETTINGS = NetSuiteSettings(
    account="1234567", client_id="model", certificate_id="model-certificate", private_key=SecretStr(KEY),
    page_rows=5, part_rows=4,
)  # fmt: skip


class NetSuiteMachine(SourceMachine):
    TABLE = CUSTOMER
    LATENESS = timedelta(seconds=300 + 1800)
    LAG = 300

    def start(self, model: ModelTable, data: st.DataObject) -> NetSuiteModel:
        return NetSuiteModel(model, TOKEN)

    def connect(self, retry: RetryPolicy) -> Source:
        wire = Wire(self.server.serve, lambda: self.stage.effects, self.server.expire)
        return NetSuiteSource(SETTINGS, transport=wire, retry=retry)

    def key(self, number: int) -> Any:
        return 100 + number

    def secrets(self) -> list[str]:
        return [TOKEN, *KEY.splitlines()[1:-1]]

    def most_calls(self, pages: int) -> int:
        # A query is a page: login, clock twice, fields, rows and deletes (two pages of nine rows each), a count.
        return 30
