"""A Salesforce server over a tiny world, and independent clients for it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

from sandbox.faults import Faults
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, SalesforceOrg, create_app
from sandbox.server import Servers
from tests.sandbox.salesforce.tiny_world import TinyWorld

VERSION = "62.0"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Reading the machine's certificates takes longer than most tests, and nothing here is encrypted."""


@dataclass
class Served:
    """One running server and what a test may want to turn."""

    url: str
    world: TinyWorld
    org: SalesforceOrg
    faults: Faults
    credentials: SalesforceCredentials

    @property
    def data(self) -> str:
        return f"{self.url}/services/data/v{VERSION}"

    def log_in(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
        }
        return httpx.post(f"{self.url}/services/oauth2/token", data=form, verify=PLAIN).json()["access_token"]


class ToSandbox(HTTPAdapter):
    """Sends what simple-salesforce addresses to https://*.salesforce.com to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args, **kwargs) -> requests.Response:
        assert request.url is not None
        request.url = self._url + "/" + request.url.split("/", 3)[3]
        return super().send(request, *args, **kwargs)


@pytest.fixture
def world() -> TinyWorld:
    return TinyWorld()


@pytest.fixture
def options() -> SalesforceOptions:
    return SalesforceOptions(bulk_page_rows=10)


@pytest.fixture
def served(world: TinyWorld, options: SalesforceOptions) -> Iterator[Served]:
    faults, credentials = Faults(), SalesforceCredentials()
    app = create_app(world, credentials, faults, options)
    with Servers() as servers:
        yield Served(servers.serve(app, date_header=False), world, app.state.org, faults, credentials)


@pytest.fixture
def session(served: Served) -> requests.Session:
    session = requests.Session()
    session.mount("https://", ToSandbox(served.url))
    return session


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """httpx, logged in, below `/services/data/vXX.X`."""
    headers = {"Authorization": f"Bearer {served.log_in()}"}
    with httpx.Client(base_url=served.data, headers=headers, timeout=20, verify=PLAIN) as client:
        yield client


@pytest.fixture
def simple(served: Served, session: requests.Session) -> Salesforce:
    """simple-salesforce, logged in by its own client-credentials flow."""
    return Salesforce(
        consumer_key=served.credentials.client_id,
        consumer_secret=served.credentials.client_secret,
        domain="mgdw.my",
        session=session,
        version=VERSION,
    )
