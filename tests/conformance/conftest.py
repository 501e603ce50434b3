"""One bench per test: a station, a lake, a warehouse, and the questions the suite asks of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Contract, Table
from connectors.errors import MgdwError
from connectors.lake.local import LocalLake
from connectors.source import TableState
from connectors.sync import SyncOutcome, sync
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.conformance.netsuite import NetSuiteStation
from tests.conformance.s3 import S3JsonStation, S3Station
from tests.conformance.salesforce import SalesforceRestStation, SalesforceStation
from tests.conformance.station import Server, Station
from tests.conformance.ware import Ware, stocked
from tests.conformance.zuora import ZuoraStation

STATIONS: dict[str, type[Station]] = {
    "salesforce": SalesforceStation,
    "salesforce-rest": SalesforceRestStation,
    "netsuite": NetSuiteStation,
    "zuora": ZuoraStation,
    "s3": S3Station,
    "s3-jsonl": S3JsonStation,
}
SOURCES = ("salesforce", "salesforce-rest", "netsuite", "zuora", "s3")
APIS = ("salesforce", "salesforce-rest", "netsuite", "zuora")
ALL = [f"{source}-{server}" for source in SOURCES for server in ("sandbox", "hostile")]
ALL_APIS = [f"{source}-{server}" for source in APIS for server in ("sandbox", "hostile")]


@dataclass
class Bench:
    """A station with a lake and a warehouse of its own."""

    station: Station
    lake: LocalLake
    warehouse: DuckDBWarehouse
    path: Path
    runs: int = 0
    ensured: set[Table] = field(default_factory=set[Table])

    @property
    def ware(self) -> Ware:
        return self.station.ware

    @property
    def table(self) -> Table:
        return self.ware.table()

    def stock(self, count: int) -> None:
        """Put so many rows into the ware and show them."""
        stocked(self.ware, range(1, count + 1))
        self.station.show()

    def change(self, work: Callable[[Ware], object]) -> None:
        """Change the ware at a time of its own, between two runs."""
        self.ware.tick()
        work(self.ware)
        self.ware.tick()
        self.station.show()

    async def run(
        self,
        table: Table | None = None,
        *,
        full: bool = False,
        before_extract: Callable[[], object] | None = None,
        **settings: Any,
    ) -> SyncOutcome:
        """One run of the source, as a flow does it. `before_extract` happens between planning and fetching."""
        table = table or self.table
        await self.ensure(table)
        self.runs += 1
        async with self.station.connect(**settings) as source:

            async def plan(of: Table, state: TableState) -> list[BatchRequest]:
                requests = await source.plan(of, state, full=full)
                if before_extract:
                    before_extract()
                return requests

            return await sync(source, [table], self.lake, self.warehouse, run_id=f"run-{self.runs}", plan=plan)

    async def ensure(self, table: Table) -> None:
        if table not in self.ensured:
            await self.warehouse.ensure(Contract((table,)))
            self.ensured.add(table)

    async def good_run(self, table: Table | None = None, **options: Any) -> SyncOutcome:
        """A run that must not fail."""
        outcome = await self.run(table, **options)
        assert not outcome.failures, outcome.failures[0].error
        return outcome

    async def failure(self, **options: Any) -> MgdwError:
        """The one error of a run that must fail, checked for what every error owes its reader."""
        table: Table = options.get("table") or self.table
        try:
            outcome = await self.run(**options)
        except MgdwError as error:
            return error
        assert outcome.failures, "the run should have failed"
        error = outcome.failures[0].error
        assert isinstance(error, MgdwError), repr(error)
        assert error.cause
        assert error.remedy
        assert error.facts.get("table") == table.name, (error.cause, error.facts)
        return error

    async def right_or_refused(self, **options: Any) -> MgdwError | None:
        """A run after which either STG equals the source (None), or nothing was loaded and the error says why."""
        outcome = await self.run(**options)
        if not outcome.failures:
            await self.agrees()
            return None
        error = outcome.failures[0].error
        assert isinstance(error, MgdwError), repr(error)
        assert error.cause
        assert error.remedy
        assert error.facts.get("table") == self.table.name, (error.cause, error.facts)
        assert await self.stored() == {}
        assert await self.ledger() == []
        return error

    async def stored(self, table: Table | None = None) -> dict[object, tuple[object, ...]]:
        """The living rows of STG by key."""
        table = table or self.table
        names = ", ".join(f'"{c.name}"' for c in table.columns)
        rows = await self.warehouse.rows(f'SELECT {names} FROM STG."{table.name}" WHERE NOT _deleted')
        key = table.primary_key[0]
        assert len({row[key] for row in rows}) == len(rows)
        return {row[key]: tuple(row.values()) for row in rows}

    async def agrees(self, table: Table | None = None) -> None:
        """STG equals the source, value by value and type by type."""
        table = table or self.table
        stored, expected = await self.stored(table), self.ware.expected(table)
        assert _typed(stored) == _typed(expected)

    async def quarantine(self) -> list[dict[str, Any]]:
        return await self.warehouse.rows("SELECT * FROM STG._quarantine")

    async def ledger(self) -> list[dict[str, Any]]:
        return await self.warehouse.rows("SELECT * FROM STG._ledger ORDER BY loaded_at")

    async def manifests(self, table: Table | None = None) -> list[Manifest]:
        table = table or self.table
        return [m async for m in self.lake.manifests(table.source, table.name)]

    async def fetched(self, request: BatchRequest, **settings: Any) -> Manifest:
        """One batch fetched by hand."""
        async with self.station.connect(**settings) as source:
            (manifest,) = [m async for m in source.extract([request], self.lake)]
        return manifest


def _typed(rows: dict[object, tuple[object, ...]]) -> dict[object, tuple[tuple[str, object], ...]]:
    return {key: tuple((type(v).__name__, v) for v in row) for key, row in rows.items()}


def opened(name: str) -> Station:
    """The station `<source>-<server>`."""
    source, _, server = name.rpartition("-")
    kind: Server = "hostile" if server == "hostile" else "sandbox"
    return STATIONS[source](kind)


@pytest.fixture
def station(request: pytest.FixtureRequest) -> Iterator[Station]:
    with opened(request.param).open() as running:
        running.show()
        yield running


@pytest.fixture
async def bench(station: Station, tmp_path: Path) -> AsyncIterator[Bench]:
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb", threads=1) as warehouse:
        yield Bench(station, LocalLake(tmp_path / "lake"), warehouse, tmp_path)


def every(names: list[str]) -> pytest.MarkDecorator:
    """The test for each of these stations."""
    return pytest.mark.parametrize("station", names, indirect=True)
