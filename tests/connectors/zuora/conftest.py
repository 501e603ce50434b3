"""A Zuora tenant on loopback, and a source pointed at it that never waits between tries or polls."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Table, load_contract
from connectors.http import RetryPolicy
from connectors.lake.local import LocalLake
from connectors.window import Window
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource
from sandbox.faults import Faults
from sandbox.server import Servers
from sandbox.world import World
from sandbox.zuora.app import create_app
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.tenant import ZuoraTenant

TABLES = {t.name: t for t in load_contract().of("zuora")}


async def _no_wait(_seconds: float) -> None:
    return None


IMPATIENT = RetryPolicy(attempts=4, sleep=_no_wait)


@dataclass
class Office:
    """The tenant, where it is, and what can go wrong with it."""

    world: World
    tenant: ZuoraTenant
    faults: Faults
    url: str

    def settings(self, **changes: Any) -> ZuoraSettings:
        credentials = self.tenant.credentials
        given = {
            "base_url": self.url,
            "client_id": credentials.client_id,
            "client_secret": SecretStr(credentials.client_secret),
            "lag_seconds": 0,
        }
        return ZuoraSettings(**{**given, **changes})

    def source(self, **changes: Any) -> ZuoraSource:
        return ZuoraSource(self.settings(**changes), retry=IMPATIENT)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.world.sql(sql).fetchall()

    def whole(self, *names: str) -> list[BatchRequest]:
        """Snapshots of some tables, of all without names."""
        return [BatchRequest(table(n), Window(None, self.world.now)) for n in names or [t[6:] for t in TABLES]]

    def widened(self, name: str, *columns: str) -> None:
        """Give an object more fields. Only in a world of its own."""
        for column in columns:
            self.world.sql(f'ALTER TABLE zuora."{table(name).object}" ADD COLUMN {column}')

    def submissions(self) -> int:
        return sum(call.startswith("POST /v1/batch-query") for call in self.faults.seen)


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
    """A tenant of its own, whose business may move on."""
    world = World.create(scale=0.05)
    yield from _open(world)
    world.close()


def _open(world: World) -> Iterator[Office]:
    faults = Faults()
    app = create_app(world, ZuoraCredentials(), faults)
    with Servers() as servers:
        yield Office(world, app.state.tenant, faults, servers.serve(app, date_header=False))


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


async def extracted(source: ZuoraSource, lake: LocalLake, requests: list[BatchRequest]) -> dict[str, Manifest]:
    found: AsyncIterator[Manifest] = source.extract(requests, lake)
    return {manifest.table: manifest async for manifest in found}


def records(lake: LocalLake, manifest: Manifest, kind: str = "rows") -> list[dict[str, str | None]]:
    """The rows as the warehouse reads them: by the part's header, NULL by the manifest's text."""
    found: list[dict[str, str | None]] = []
    for part in manifest.parts:
        if part.kind != kind:
            continue
        text = gzip.decompress(Path(lake.uri(manifest, part)).read_bytes()).decode()
        lines = list(csv.reader(io.StringIO(text, newline="")))[1:]
        assert len(lines) == part.rows
        found += [
            {name: None if cell == manifest.null_text else cell for name, cell in zip(part.header, line, strict=True)}
            for line in lines
        ]
    return found


def table(name: str) -> Table:
    return TABLES[f"zuora_{name}"]
