"""A Zuora tenant on loopback over a tiny business, and a client for it."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from sandbox.faults import Faults
from sandbox.server import Servers
from sandbox.zuora.app import create_app
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.tenant import ZuoraTenant
from tests.sandbox.zuora.tiny_world import TinyWorld

ACCOUNTS = "select Id, Name from Account"


@dataclass
class Served:
    """A running tenant."""

    url: str
    world: TinyWorld
    tenant: ZuoraTenant
    faults: Faults

    def ask_token(self, **form: str) -> httpx.Response:
        own = self.tenant.credentials
        fields = {"grant_type": "client_credentials", "client_id": own.client_id, "client_secret": own.client_secret}
        return httpx.post(f"{self.url}/oauth/token", data=fields | form)


@dataclass
class Zuora:
    """A client that is logged in."""

    client: httpx.Client

    def submit(self, *queries: str | dict[str, Any], **job: Any) -> dict[str, Any]:
        listed = [
            {"name": f"q{i}", "type": "zoqlexport", "query": q} if isinstance(q, str) else q
            for i, q in enumerate(queries)
        ]
        body = {
            "format": "csv",
            "version": "1.1",
            "useQueryLabels": "true",
            "dateTimeUtc": "true",
            "queries": listed,
        } | job
        answer = self.client.post("/v1/batch-query/", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def finished(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            job = self.client.get(f"/v1/batch-query/jobs/{job_id}").json()
            if job["status"] not in ("submitted", "executing"):
                return job
        raise AssertionError("the job does not end")

    def run(self, *queries: str | dict[str, Any], **job: Any) -> dict[str, Any]:
        return self.finished(self.submit(*queries, **job)["id"])

    def download(self, file_id: str) -> bytes:
        answer = self.client.get(f"/v1/file/{file_id}")
        assert answer.status_code == 200
        return answer.content

    def table(self, query: str | dict[str, Any], **job: Any) -> list[list[str]]:
        """Header and rows of one query's file."""
        (batch,) = self.run(query, **job)["batches"]
        return rows_of(self.download(batch["fileId"]))


def rows_of(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def serve(servers: Servers, world: TinyWorld, options: ZuoraOptions | None = None) -> Served:
    faults = Faults()
    app = create_app(world, ZuoraCredentials(), faults, options)
    return Served(servers.serve(app, date_header=False), world, app.state.tenant, faults)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture(scope="module")
def served(servers: Servers) -> Served:
    return serve(servers, TinyWorld())


@pytest.fixture
def zuora(served: Served) -> Iterator[Zuora]:
    """Logged in anew for each test; options are put back afterwards."""
    served.faults.clear()
    token = served.ask_token().json()["access_token"]
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield Zuora(client)
    vars(served.tenant.options).update(vars(ZuoraOptions()))
