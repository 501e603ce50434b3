"""The steps of a daily refresh as deployments on the work pool: each in a pod of its own, found again by its key.

A child's idempotency key is made from the parent's flow run, the step, its parameters and the runs whose work it stands
on, and an attempt. So a parent that was evicted and starts from the top comes back to the very children it had: those
that run are waited for, those that completed are not run again. A child that failed before the parent (re)started runs
again, as the next attempt, and so does everything above it, because it then stands on another run.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import FlowRunWaitTimeout, MissingResult, ObjectNotFound
from prefect.flow_runs import wait_for_flow_run
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import State
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential
from websockets.exceptions import WebSocketException

from connectors.errors import ConfigurationError, MgdwError
from connectors.tableau.server import RefreshResult
from connectors.warehouse import LoadResult
from flows.dbt import DbtNode, Layer
from flows.sources import SourceName
from flows.steps import MayBegin

DEPLOYMENTS: dict[SourceName, str] = {
    "salesforce": "salesforce/salesforce",
    "netsuite": "netsuite/netsuite",
    "zuora": "zuora/zuora",
    "s3": "s3-usage/s3-usage",
}

QUEUE = "children"
"""Work queue of all children: by it the server's automations know a child, whose parent speaks for it."""
RESTARTS = 2
"""How often a child that crashed (no memory left, node lost) is started again."""
_MOST_ATTEMPTS = 100
_SERVER_AWAY = 900.0
"""Seconds that a Prefect server may be away, as while it is deployed, before the parent gives up."""
FIRST_LOOK = 60.0
"""Seconds until a child is looked at though no event came; doubled each time, so that a child of eight hours is looked
at nine times."""

_FIRST_PAUSE = 0.5
"""Seconds before the event's word is doubted again; doubled each time."""

ResultT = TypeVar("ResultT")


class ChildLost(MgdwError):
    """A child ended without telling what it did: it was killed, cancelled, or its result cannot be read."""

    default_remedy = (
        "Open the child's run: its log and its pod's events say why. Then run the parent again (Retry in the UI): it "
        "repeats only what is not done."
    )


class ChildSteps:
    """Each step as a run of its deployment, linked to this flow run as its child.

    Args:
        may_begin: asked before each start.
    """

    def __init__(self, may_begin: MayBegin) -> None:
        self._may_begin = may_begin
        self._done: list[UUID] = []

    async def load(self, source: SourceName, *, full: bool) -> list[LoadResult]:
        """See `Steps.load`. Raises ChildLost."""
        return await self._child(DEPLOYMENTS[source], {"full": full}, ())

    async def build(self, layer: Layer, exclude: Sequence[str]) -> list[DbtNode]:
        """See `Steps.build`. Raises ChildLost."""
        return await self._child("dbt/dbt", {"layer": layer, "exclude": list(exclude)}, self._done, tags=[layer])

    async def refresh(self, untrusted: Sequence[str]) -> list[RefreshResult]:
        """See `Steps.refresh`. Raises ChildLost."""
        return await self._child("tableau/tableau", {"untrusted": list(untrusted)}, self._done)

    async def _child(
        self, deployment: str, parameters: Mapping[str, Any], stands_on: Iterable[UUID], *, tags: Sequence[str] = ()
    ) -> Any:
        """Run it to its end, or come back to where it is; returns its result or raises its error."""
        key = child_key(str(flow_run.id), deployment, parameters, stands_on)
        restarts = 0
        for attempt in range(_MOST_ATTEMPTS):
            await self._may_begin()
            run = await _start(deployment, parameters, f"{key}:{attempt}", tags)
            if run.state is not None and run.state.is_final():
                # It ended before we came: what completed is done, anything else is done anew.
                if run.state.is_completed() and (found := await _stored(run.state)) is not None:
                    self._done.append(run.id)
                    return found[0]
                continue
            run = await wait_until_ended(run.id)
            if run.state_type == StateType.CRASHED and restarts < RESTARTS:
                restarts += 1
                get_run_logger().warning("%s crashed (%s) and is started again", deployment, _message(run))
                continue
            self._done.append(run.id)
            return await _result(deployment, run)
        raise ChildLost(f"{deployment} was started {_MOST_ATTEMPTS} times for this run")


def child_key(parent: str, deployment: str, parameters: Mapping[str, Any], stands_on: Iterable[UUID]) -> str:
    """What makes a child the same child again, but for the attempt.

    Args:
        parent: flow run id.
        stands_on: the runs whose work it goes on with, in any order.
    """
    facts = json.dumps([dict(parameters), sorted(map(str, stands_on))], sort_keys=True)
    return f"{parent}:{deployment}:{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


async def _start(deployment: str, parameters: Mapping[str, Any], key: str, tags: Sequence[str]) -> FlowRun:
    """Create the run of that key, or find it. Raises ConfigurationError when there is no such deployment."""
    try:
        # Not waiting: it would ask for the run's state every five seconds.
        return await _patiently(
            functools.partial(
                arun_deployment, deployment, parameters=dict(parameters), timeout=0, as_subflow=True,
                idempotency_key=key, work_queue_name=QUEUE, tags=tags,
            )
        )  # fmt: skip
    except ObjectNotFound as error:
        raise ConfigurationError(
            f"the Prefect server has no deployment {deployment}",
            remedy="Deploy prefect.yaml (`mgdw deploy`), or set MGDW_CHILDREN=here to run every step in one process.",
        ) from error


async def wait_until_ended(run_id: UUID) -> FlowRun:
    """Wait for the event that the run ended.

    A lost connection is made anew, and the run looked at then; for an event that never comes it is looked at after a
    minute, two, four, and so on.
    """
    patience, pause = FIRST_LOOK, _FIRST_PAUSE
    while True:
        began = time.monotonic()
        try:
            run = await _patiently(functools.partial(wait_for_flow_run, run_id, timeout=patience))  # pyright: ignore[reportArgumentType] - it takes fractions
        except FlowRunWaitTimeout:
            if time.monotonic() - began >= patience:
                patience *= 2
                continue
            # The server closed the stream (it is being stopped): what it said meanwhile is lost.
            patience = FIRST_LOOK
        else:
            if run.state is not None and run.state.is_final():
                return run
            # The event may come before the state can be read; after a retry that of the former end comes again.
        await asyncio.sleep(pause)
        pause *= 2


async def _result(deployment: str, run: FlowRun) -> Any:
    """What the child returned; its own error is raised. Raises ChildLost."""
    state, what = run.state, f"{deployment} ({run.name}) ended {run.state_name}"
    if state is None or not (state.is_completed() or state.data is not None):
        raise ChildLost(f"{what}: {_message(run)}")
    found = await _stored(state)
    if found is None:
        raise ChildLost(
            f"{what}, and its result is not to be read: {_message(run)}",
            remedy="Parent and children share their results: set PREFECT_RESULTS_PERSIST_BY_DEFAULT=true and "
            "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK for all of them.",
        )
    (value,) = found
    if isinstance(value, Exception):
        raise value
    return value


async def _stored(state: State[Any]) -> tuple[Any] | None:
    """What the run returned, or the error it raised; None when it is not there or not to be read."""
    if state.data is None:
        return None
    try:
        return (await state.aresult(raise_on_failure=False),)
    except MissingResult:
        return None
    except Exception as error:  # noqa: BLE001 - storage, credentials, pickle: the child's work is done either way
        get_run_logger().warning("a child's result cannot be read: %s: %s", type(error).__name__, error)
        return None


async def _patiently(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Call until the Prefect server answers. Everything asked here may be asked twice."""

    async def ask() -> ResultT:
        return await call()

    patience = AsyncRetrying(
        stop=stop_after_delay(_SERVER_AWAY), wait=wait_exponential(max=30), retry=retry_if_exception(_is_away),
        reraise=True,
    )  # fmt: skip
    return await patience(ask)


def _is_away(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        # 409: two children at once made the queue that both of them wanted; the one that lost finds it there now.
        code = error.response.status_code
        return code >= HTTPStatus.INTERNAL_SERVER_ERROR or code == HTTPStatus.CONFLICT
    return isinstance(error, (httpx.TransportError, WebSocketException, OSError))


def _message(run: FlowRun) -> str:
    said = (run.state.message if run.state else None) or "without a word"
    return " ".join(said.split())[:300]
