"""A Salesforce org on loopback over a tiny world, a lake in a folder, and what a test asks of both."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Column, DataType, Table
from connectors.http import RetryPolicy
from connectors.lake.local import LocalLake
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.window import Window
from sandbox.faults import Faults
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, SalesforceOrg, create_app
from sandbox.server import Servers
from tests.sandbox.salesforce.tiny_world import TinyWorld


def table(name: str, sobject: str, *fields: str, **types: DataType) -> Table:
    """An STG table over the named fields, as text (which makes them come in bulk) unless said; the last one is the
    cursor."""
    columns = tuple(Column(f.lower(), types.get(f, DataType.STRING), f, "", f == "Id") for f in fields)
    flag = "isdeleted" if "IsDeleted" in fields else None
    return Table("salesforce", name, "", sobject, columns, ("id",), columns[-1].name, deleted_flag=flag)


ACCOUNT = table("sfdc_account", "Account", "Id", "IsDeleted", "Name", "Brands__c", "Description", "SystemModstamp")
OPPORTUNITY = table("sfdc_opportunity", "Opportunity", "Id", "IsDeleted", "Name", "Amount", "SystemModstamp")
USER = table("sfdc_user", "User", "Id", "Username", "SystemModstamp")


class Pauses:
    """Waits at once and remembers how long."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@dataclass
class Served:
    """One running org."""

    url: str
    world: TinyWorld
    org: SalesforceOrg
    faults: Faults
    credentials: SalesforceCredentials
    pauses: Pauses

    def settings(self, **changes: Any) -> SalesforceSettings:
        given: dict[str, Any] = {
            "login_url": self.url,
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
            "overlap_seconds": 0,
            "job_deadline_seconds": 1e9,  # nobody waits here, so time passes quickly
        }
        return SalesforceSettings(**{**given, **changes})

    @asynccontextmanager
    async def source(self, **changes: Any) -> AsyncIterator[SalesforceSource]:
        retry = RetryPolicy(attempts=4, sleep=self.pauses.sleep)
        async with SalesforceSource(self.settings(**changes), retry=retry) as source:
            yield source

    @property
    def jobs_left(self) -> int:
        return len(self.org.jobs.all())


@pytest.fixture
def world() -> TinyWorld:
    return TinyWorld()


@pytest.fixture
def options() -> SalesforceOptions:
    return SalesforceOptions(bulk_page_rows=10)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def served(servers: Servers, world: TinyWorld, options: SalesforceOptions) -> Served:
    faults, credentials = Faults(), SalesforceCredentials()
    app = create_app(world, credentials, faults, options)
    return Served(servers.serve(app, date_header=False), world, app.state.org, faults, credentials, Pauses())


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


Extract = Callable[..., Awaitable[Manifest]]


@pytest.fixture
def extract(served: Served, lake: LocalLake) -> Extract:
    """Extract one table's window (a snapshot up to now by default) and return the manifest; raises the one error."""

    async def run(table: Table = ACCOUNT, window: Window | None = None, **changes: Any) -> Manifest:
        request = BatchRequest(table, window or Window(None, served.world.now))
        async with served.source(**changes) as source:
            try:
                (manifest,) = [manifest async for manifest in source.extract([request], lake)]
            except ExceptionGroup as group:
                (error,) = group.exceptions
                raise error from None
        return manifest

    return run


def window(lo: datetime, **length: float) -> Window:
    return Window(lo, lo + timedelta(**length))


def rows(lake: LocalLake, manifest: Manifest, kind: str = "rows") -> list[dict[str, str]]:
    """All rows of a batch as text, read from the lake by an independent reader, in order of Id; times as bulk jobs
    write them."""
    found: list[dict[str, str]] = []
    for part in manifest.parts:
        if part.kind != kind:
            continue
        uri = lake.uri(manifest, part)
        if part.format == "jsonl":
            records = map(json.loads, Path(uri).read_text().splitlines())
            found += [{name: _text(record[name]) for name in part.header} for record in records]
            continue
        columns = dict.fromkeys(part.header, "VARCHAR")
        relation = duckdb.connect().execute(
            """SELECT * FROM read_csv(?, columns=?, header=true, auto_detect=false, quote='"', escape='"')""",
            [uri, columns],
        )
        found += [dict(zip(part.header, row, strict=True)) for row in relation.fetchall()]
    return sorted(found, key=lambda row: row["Id"])


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"\+0000$", "Z", value) if isinstance(value, str) else value
