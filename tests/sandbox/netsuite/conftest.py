"""A NetSuite account on loopback over a tiny business, and clients for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from sandbox.faults import Faults
from sandbox.netsuite.account import NetSuiteAccount, NetSuiteOptions
from sandbox.netsuite.app import create_app
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.server import Servers
from tests.sandbox.netsuite.tiny_world import TinyWorld

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SUITEQL = "/services/rest/query/v1/suiteql"


@dataclass
class Served:
    """A running account."""

    url: str
    world: TinyWorld
    account: NetSuiteAccount
    faults: Faults

    @property
    def token_url(self) -> str:
        return f"{self.url}/services/rest/auth/oauth2/v1/token"

    def assertion(
        self, *, algorithm: str = "PS256", key: str | None = None, kid: str | None = None, **claims: Any
    ) -> str:
        own, now = self.account.credentials, int(time.time())
        payload = {
            "iss": own.client_id, "aud": self.token_url, "scope": "rest_webservices", "iat": now, "exp": now + 300,
        } | claims  # fmt: skip
        headers = {"kid": kid or own.certificate_id}
        return jwt.encode(payload, key or own.private_key, algorithm=algorithm, headers=headers)

    def ask_token(self, assertion: str, **form: str) -> httpx.Response:
        fields = {
            "grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion,
        } | form  # fmt: skip
        return httpx.post(self.token_url, data=fields)

    def log_in(self) -> str:
        return self.ask_token(self.assertion()).json()["access_token"]


@dataclass
class Suite:
    """A client that is logged in."""

    client: httpx.Client

    def post(self, query: str, **params: int | str) -> httpx.Response:
        return self.client.post(SUITEQL, params=params, json={"q": query}, headers={"Prefer": "transient"})

    def rows(self, query: str, **params: int | str) -> list[dict[str, str]]:
        answer = self.post(query, **params)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert all(item.pop("links") == [] for item in items)
        return items

    def error(self, query: str, **params: int | str) -> tuple[int, str, str]:
        answer = self.post(query, **params)
        detail = answer.json()["o:errorDetails"][0]
        return answer.status_code, detail["o:errorCode"], detail["detail"]


def serve(servers: Servers, world: TinyWorld, options: NetSuiteOptions | None = None) -> Served:
    faults = Faults()
    app = create_app(world, NetSuiteCredentials(), faults, options)
    return Served(servers.serve(app), world, app.state.account, faults)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture(scope="module")
def served(servers: Servers) -> Served:
    return serve(servers, TinyWorld())


@pytest.fixture
def suite(served: Served) -> Iterator[Suite]:
    """Logged in anew for each test; options are put back afterwards."""
    served.faults.clear()
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {served.log_in()}"}) as client:
        yield Suite(client)
    vars(served.account.options).update(vars(NetSuiteOptions()))
