"""A work pool whose worker is the test: it sees the runs that a parent starts, and plays each child as told.

The server, the deployments, the runs, their states and their stored results are real; what a child does is the test's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.flow_engine import run_flow
from prefect.states import Crashed, Running, Scheduled

from connectors.tableau.server import RefreshResult
from connectors.warehouse import LoadResult
from connectors.window import Window
from flows.daily_refresh import daily_refresh
from flows.dbt import DbtNode

SOURCES = ("salesforce/salesforce", "netsuite/netsuite", "zuora/zuora", "s3-usage/s3-usage")
CHILDREN = (*SOURCES, "dbt/dbt", "tableau/tableau")
PATIENCE = 300.0
"""Seconds within which a child is started or a parent ends; far more than either takes."""

Act = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Crash:
    """The child's process is killed; the worker's observer says so."""

    message: str = "Container was killed due to OOMKilled"


@dataclass(frozen=True)
class Started:
    """A child that the pool was given to run."""

    deployment: str
    parameters: dict[str, Any]
    run: UUID


def loaded(table: str) -> LoadResult:
    return LoadResult(table, f"batch of {table}", Window(None, datetime(2026, 6, 15, tzinfo=UTC)), read=3, inserted=3)


def built(*names: str) -> list[DbtNode]:
    return [DbtNode(f"model.mg_dw.{name}", "success", "", 0.1) for name in names]


async def _as_usual(deployment: str, parameters: dict[str, Any]) -> Any:
    match deployment:
        case "dbt/dbt":
            return built(f"a_model_of_{parameters['layer']}")
        case "tableau/tableau":
            return [RefreshResult("Executive", "refreshed", seconds=1.0)]
        case _:
            return [loaded(f"a_table_of_{deployment.split('/')[1]}")]


@dataclass
class Pool:
    """The pool. `acts` says what the next runs of a deployment do; what is not told ends well.

    Attributes:
        started: every child that was started, in order.
    """

    client: PrefectClient
    deployments: dict[UUID, str] = field(default_factory=dict[UUID, str])
    acts: defaultdict[str, list[Act | Crash]] = field(default_factory=lambda: defaultdict(list))
    started: list[Started] = field(default_factory=list[Started])
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _playing: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def of(self, deployment: str) -> list[Started]:
        """The runs of one deployment."""
        return [one for one in self.started if one.deployment == deployment]

    def counts(self) -> dict[str, int]:
        """How often each child was started."""
        return {name: len(self.of(name)) for name in CHILDREN}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Until it holds; looked at whenever a child is started or ends."""
        async with self._changed, asyncio.timeout(PATIENCE):
            await self._changed.wait_for(holds)

    async def deploy(self, deployment: str, work_pool: str) -> None:
        """Make a deployment that nothing but this pool runs."""
        flow_name, name = deployment.split("/")
        flow_id = await self.client.create_flow_from_name(flow_name)
        made = await self.client.create_deployment(flow_id, name, work_pool_name=work_pool, entrypoint="the.test")
        self.deployments[made] = deployment

    async def work(self) -> None:
        """Play children, for ever."""
        mine = DeploymentFilter(id=DeploymentFilterId(any_=list(self.deployments)))
        scheduled = FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED"]}}})
        seen: set[UUID] = set()
        while True:
            for run in await self.client.read_flow_runs(deployment_filter=mine, flow_run_filter=scheduled):
                if run.id not in seen:
                    seen.add(run.id)
                    task = asyncio.create_task(self._play(run))
                    self._playing.add(task)
                    task.add_done_callback(self._playing.discard)
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        """End what still plays, and take the deployments away."""
        for task in list(self._playing):
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
        for made in self.deployments:
            await self.client.delete_deployment(made)

    async def _play(self, run: FlowRun) -> None:
        assert run.deployment_id
        deployment = self.deployments[run.deployment_id]
        act = self.acts[deployment].pop(0) if self.acts[deployment] else None
        async with self._changed:
            self.started.append(Started(deployment, run.parameters, run.id))
            self._changed.notify_all()
        if isinstance(act, Crash):
            await self.client.set_flow_run_state(run.id, Running())
            await self.client.set_flow_run_state(run.id, Crashed(message=act.message))
            return

        @flow(name=deployment.split("/")[0], persist_result=True)
        async def child(
            full: bool = False,
            layer: str | None = None,
            exclude: list[str] | None = None,
            untrusted: list[str] | None = None,
        ) -> Any:
            given = {"full": full, "layer": layer, "exclude": exclude, "untrusted": untrusted}
            return await (act(given) if act else _as_usual(deployment, given))

        await run_flow(child, flow_run=run, parameters=run.parameters, return_type="state")  # pyright: ignore[reportGeneralTypeIssues]
        async with self._changed:
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def working_pool(deployments: Sequence[str] = CHILDREN) -> AsyncGenerator[Pool]:
    """A pool at work, with these deployments."""
    async with get_client() as client:
        name = f"test-{uuid4().hex[:8]}"
        await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        pool = Pool(client)
        for deployment in deployments:
            await pool.deploy(deployment, name)
        working = asyncio.create_task(pool.work())
        try:
            yield pool
        finally:
            working.cancel()
            await asyncio.wait([working])
            await pool.close()
            await client.delete_work_pool(name)


@dataclass
class Parent:
    """A run of daily-refresh in this process, which can be run again as the server would have it run again."""

    client: PrefectClient
    run: UUID

    @classmethod
    async def create(cls, client: PrefectClient, **parameters: Any) -> Parent:
        return cls(client, (await client.create_flow_run(daily_refresh, parameters=parameters)).id)

    def begin(self) -> asyncio.Task[Any]:
        """Run it in a task of its own; its result or error is the task's."""
        return asyncio.create_task(self._execute())

    async def ends(self) -> Any:
        """Run it to its end."""
        return await asyncio.wait_for(self.begin(), PATIENCE)

    async def retry(self) -> None:
        """What Retry in the UI does: the same run waits to be run again."""
        await self.client.set_flow_run_state(self.run, Scheduled(name="AwaitingRetry"), force=True)

    async def state(self) -> StateType | None:
        return (await self.client.read_flow_run(self.run)).state_type

    async def _execute(self) -> Any:
        run = await self.client.read_flow_run(self.run)
        return await run_flow(daily_refresh, flow_run=run, parameters=run.parameters)  # pyright: ignore[reportGeneralTypeIssues]
