"""Salesforce under the state machine: the real connector on a wire to the model."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.contract import DataType
from connectors.http import RetryPolicy
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.source import Source
from tests.reliability.model.effects import Wire
from tests.reliability.model.machine import SourceMachine
from tests.reliability.model.salesforce import SalesforceOrg
from tests.reliability.model.table import ModelTable, contract_table

ACCOUNT = contract_table(
    "salesforce", "sfdc_account", "Account",
    {
        "id": ("Id", DataType.STRING), "name": ("Name", DataType.STRING), "amount": ("Amount__c", DataType.NUMERIC),
        "seats": ("Seats__c", DataType.INT64), "active": ("Active__c", DataType.BOOL),
        "day": ("Day__c", DataType.DATE), "seen_at": ("Seen__c", DataType.TIMESTAMP),
        "changed_at": ("SystemModstamp", DataType.TIMESTAMP), "is_deleted": ("IsDeleted", DataType.BOOL),
    },
    cursor="changed_at", deleted_flag="is_deleted",
)  # fmt: skip
SECRET, TOKEN = "sf-planted-secret-4711", "00D!planted-token-4712"


class _Door(BaseHTTPRequestHandler):
    """The socket that simple-salesforce needs for describe."""

    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two packets: the second would wait for the first one's receipt, 40 ms.
    disable_nagle_algorithm = True
    org: SalesforceOrg

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        status, headers, body = self.org.serve("GET", parts.path, query, httpx.Headers(dict(self.headers)), b"")
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


class SalesforceMachine(SourceMachine):
    TABLE = ACCOUNT
    LATENESS = timedelta(minutes=55)
    LAG = 0
    KEEPS_DELETED = True
    RESTORES = True
    TELLS_TYPES = True
    door: ThreadingHTTPServer
    settings: SalesforceSettings

    def start(self, model: ModelTable, data: st.DataObject) -> SalesforceOrg:
        org = SalesforceOrg(
            model, self.settings.login_url, SECRET, TOKEN,
            page_rows=data.draw(st.sampled_from([1, 3, 50])),
            lists_restored=data.draw(st.booleans()),
        )  # fmt: skip
        _Door.org = org
        return org

    def connect(self, retry: RetryPolicy) -> Source:
        wire = Wire(self.server.serve, lambda: self.stage.effects, self.server.expire)
        return SalesforceSource(self.settings, transport=wire, retry=retry)

    def key(self, number: int) -> Any:
        return f"001{number:015d}"

    def secrets(self) -> list[str]:
        return [SECRET, TOKEN]

    def most_calls(self, pages: int) -> int:
        # login, limits, describe, updated, count, job, three looks at it, its pages' addresses, deleted, job removed,
        # and the list of jobs that a dead run may have left, each of them removed.
        return 24 + 2 * pages

    @classmethod
    @contextmanager
    def opened(cls) -> Generator[None]:
        cls.door = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
        thread = threading.Thread(target=cls.door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        host, port = cls.door.server_address[:2]
        login = f"http://{host}:{port}"
        cls.settings = SalesforceSettings(login_url=login, client_id="model", client_secret=SecretStr(SECRET))
        try:
            yield
        finally:
            cls.door.shutdown()
            cls.door.server_close()
            thread.join()
