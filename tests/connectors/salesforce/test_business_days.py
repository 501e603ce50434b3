"""Three business days of the whole sandbox, read by windows: what the lake says then is what the org says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from connectors.batch import Manifest
from connectors.contract import Table, load_contract
from connectors.lake.local import LocalLake
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.source import TableState
from connectors.window import Window
from sandbox.faults import Faults
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, create_app
from sandbox.server import Servers
from sandbox.world import World
from tests.connectors.salesforce.conftest import rows

Versions = dict[str, tuple[str, bool]]
"""Id -> (SystemModstamp, soft-deleted)."""


class Reader:
    """Plays the loader: keeps the newest version of each key, and drops keys that are gone."""

    def __init__(self, settings: SalesforceSettings, lake: LocalLake) -> None:
        self._settings = settings
        self._lake = lake
        self.windows: dict[str, tuple[Window, ...]] = {}
        self.versions: dict[str, Versions] = {}

    async def run(self) -> dict[str, Manifest]:
        tables = load_contract().of("salesforce")
        async with SalesforceSource(self._settings) as source:
            requests = [
                request
                for table in tables
                for request in await source.plan(table, TableState(self.windows.get(table.name, ())))
            ]
            manifests = {m.table: m async for m in source.extract(requests, self._lake)}
        for manifest in manifests.values():
            self._merge(manifest)
        return manifests

    def _merge(self, manifest: Manifest) -> None:
        seen: Versions = {
            row["Id"]: (row["SystemModstamp"], row.get("IsDeleted") == "true") for row in rows(self._lake, manifest)
        }
        assert len(seen) == manifest.source_rows
        kept = {} if manifest.window.is_snapshot else self.versions[manifest.table]
        for key, version in seen.items():
            kept[key] = max(kept.get(key, version), version)
        for key, gone in _deletions(self._lake, manifest).items():
            if key in kept and kept[key][0] <= gone and not kept[key][1]:
                del kept[key]
        self.versions[manifest.table] = kept
        self.windows[manifest.table] = (*self.windows.get(manifest.table, ()), manifest.window)


def _deletions(lake: LocalLake, manifest: Manifest) -> dict[str, str]:
    found = [
        Path(lake.uri(manifest, part)).read_text().splitlines() for part in manifest.parts if part.kind == "deletes"
    ]
    return {one["Id"]: one["deletedDate"] for lines in found for one in map(json.loads, lines)}


def truth(world: World, table: Table) -> Versions:
    deleted = '"IsDeleted"' if table.deleted_flag else "false"
    query = f'SELECT "Id", "SystemModstamp", {deleted} FROM salesforce."{table.object}" WHERE "_deleted_at" IS NULL'
    return {key: (_text(stamp), gone) for key, stamp, gone in world.sql(query).fetchall()}


def _text(stamp: datetime) -> str:
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World.create(scale=0.05)
    yield world
    world.close()


async def test_the_lake_follows_the_org_through_inserts_updates_deletes_and_late_rows(
    world: World, servers: Servers, tmp_path: Path
) -> None:
    credentials = SalesforceCredentials()
    app = create_app(world, credentials, Faults(), SalesforceOptions(bulk_page_rows=2000))
    url = servers.serve(app, date_header=False)
    settings = SalesforceSettings(
        login_url=url, client_id=credentials.client_id, client_secret=credentials.client_secret
    )
    reader = Reader(settings, LocalLake(tmp_path))
    tables = {table.name: table for table in load_contract().of("salesforce")}

    first = await reader.run()
    assert set(first) == set(tables)
    assert {name: reader.versions[name] for name in tables} == {n: truth(world, t) for n, t in tables.items()}

    for _ in range(2):
        before = world.now
        world.advance()
        following = await reader.run()
        assert all(m.window == Window(before, world.now) for m in following.values())
        assert sum(m.rows for m in following.values()) < sum(m.rows for m in first.values()) / 2
        assert {name: reader.versions[name] for name in tables} == {n: truth(world, t) for n, t in tables.items()}
    assert await reader.run() == {}
