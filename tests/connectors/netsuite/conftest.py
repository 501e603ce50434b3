"""A NetSuite account on loopback, and a source pointed at it that never waits between tries."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Column, DataType, Table, load_contract
from connectors.http import RetryPolicy
from connectors.lake.local import LocalLake
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import NetSuiteSource
from sandbox.faults import Faults
from sandbox.netsuite.account import NetSuiteAccount
from sandbox.netsuite.app import create_app
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.server import Servers
from sandbox.world import World
from tests.sandbox.netsuite.tiny_world import TinyWorld

TABLES = {t.name: t for t in load_contract().of("netsuite")}


async def _no_wait(_seconds: float) -> None:
    return None


IMPATIENT = RetryPolicy(attempts=4, sleep=_no_wait)


@dataclass
class Office:
    """The account, where it is, and what can go wrong with it."""

    world: Any
    account: NetSuiteAccount
    faults: Faults
    url: str

    def settings(self, **changes: Any) -> NetSuiteSettings:
        credentials = self.account.credentials
        given = {
            "account": credentials.account,
            "base_url": self.url,
            "client_id": credentials.client_id,
            "certificate_id": credentials.certificate_id,
            "private_key": SecretStr(credentials.private_key),
            "lag_seconds": 0,
        }
        return NetSuiteSettings(**{**given, **changes})

    def source(self, **changes: Any) -> NetSuiteSource:
        return NetSuiteSource(self.settings(**changes), retry=IMPATIENT)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.world.sql(sql).fetchall()


@pytest.fixture(scope="session")
def still_world() -> Iterator[World]:
    """A small company that no test may change."""
    world = World.create(scale=0.2)
    yield world
    world.close()


@pytest.fixture
def office(still_world: World) -> Iterator[Office]:
    yield from _open(still_world)


@pytest.fixture
def busy_office() -> Iterator[Office]:
    """An account of its own, whose business may move on."""
    world = World.create(scale=0.05)
    yield from _open(world)
    world.close()


@pytest.fixture
def tiny() -> Iterator[Office]:
    """An account with 30 customers (number 5 is deleted) and 20 transactions, whose tables a test may change."""
    yield from _open(TinyWorld())


@pytest.fixture
def large() -> Iterator[Office]:
    """An account with 2,000 customers."""
    yield from _open(TinyWorld(2000))


def _open(world: Any) -> Iterator[Office]:
    faults = Faults()
    app = create_app(world, NetSuiteCredentials(), faults)
    with Servers() as servers:
        yield Office(world, app.state.account, faults, servers.serve(app))


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


async def extracted(source: NetSuiteSource, lake: LocalLake, requests: list[BatchRequest]) -> dict[str, Manifest]:
    found: AsyncIterator[Manifest] = source.extract(requests, lake)
    return {manifest.table: manifest async for manifest in found}


def records(lake: LocalLake, manifest: Manifest, kind: str = "rows") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in manifest.parts:
        if part.kind == kind:
            lines = gzip.decompress(Path(lake.uri(manifest, part)).read_bytes()).splitlines()
            assert len(lines) == part.rows
            found += [json.loads(line) for line in lines]
    return found


def table(name: str) -> Table:
    return TABLES[f"netsuite_{name}"]


def columns(**types: str) -> tuple[Column, ...]:
    """Columns that are called as their fields."""
    return tuple(Column(name, DataType(of), name, "") for name, of in types.items())


CUSTOMER = Table(
    "netsuite",
    "netsuite_customers",
    "",
    "customer",
    columns(id="INT64", entityid="STRING", companyname="STRING", weight="NUMERIC", lastmodifieddate="TIMESTAMP"),
    ("id",),
    cursor="lastmodifieddate",
)
"""The customers of a tiny account."""
