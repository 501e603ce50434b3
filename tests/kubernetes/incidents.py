"""Runs of deployments that meet with an incident, on a real Prefect server, and the Slack that hears of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event, Resource
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.states import Failed, Late, Pending, Running, Scheduled, State

from flows.automation_file import Automation
from sandbox.slack import SlackWorkspace

POOL = "mg-dw"
_PATIENCE = 120.0
"""Seconds for a message that must come; a busy machine's, not a promise."""


@dataclass
class Listening(SlackWorkspace):
    """A workspace in which one can wait for a message."""

    _news: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def post(self, payload: dict[str, Any]) -> None:
        """Keep one message and wake who waits."""
        super().post(payload)
        with self._news:
            self._news.notify_all()

    def about(self, words: str) -> list[str]:
        """The messages that have these words."""
        return [text for text in self.texts if words in text]

    def one(self, words: str) -> str:
        """Wait for a message with these words; returns the first. Fails with what came instead."""
        with self._news:
            assert self._news.wait_for(lambda: self.about(words), _PATIENCE), (words, self.texts)
        return self.about(words)[0]


@dataclass
class Incidents:
    """What can happen to a run. A run's name is what the messages about it are known by."""

    client: SyncPrefectClient
    slack: Listening

    def run(self, flow: str, name: str, *, queue: str = "default") -> FlowRun:
        """A run of the deployment `<flow>/<flow>`, scheduled for now."""
        created = self.client.create_flow_run_from_deployment(
            self._deployment(flow), name=name, work_queue_name=queue, state=Scheduled(scheduled_time=datetime.now(UTC))
        )
        return self.client.read_flow_run(created.id)

    def _deployment(self, flow: str) -> UUID:
        try:
            return self.client.read_deployment_by_name(f"{flow}/{flow}").id
        except ObjectNotFound:
            return self.client.create_deployment(
                self.client.create_flow_from_name(flow), flow, work_pool_name=POOL, concurrency_limit=None
            )

    def becomes(self, run: FlowRun, *states: State[Any], force: bool = False) -> None:
        """Set these states, one after the other."""
        for state in states:
            self.client.set_flow_run_state(run.id, state, force=force)

    def starts(self, run: FlowRun) -> None:
        """As a worker and the run's process do."""
        self.becomes(run, Pending(), Running())

    def ends(self, flow: str, name: str, *states: State[Any], queue: str = "default") -> FlowRun:
        """A run that starts and comes to these states."""
        run = self.run(flow, name, queue=queue)
        self.starts(run)
        self.becomes(run, *states)
        return run

    def late(self, flow: str, name: str, *, queue: str = "default") -> FlowRun:
        """A run that nobody has taken up in time."""
        run = self.run(flow, name, queue=queue)
        self.becomes(run, Late())
        return run

    def beats(self, run: FlowRun) -> None:
        """The heartbeat that the engine sends (prefect.flow_engine)."""
        resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
        beat = Event(event="prefect.flow-run.heartbeat", resource=Resource(resource))
        self.client.request("POST", "/events", json=[beat.model_dump(mode="json")])

    def executes(self, flow: Flow[[], Any], name: str, *, queue: str = "default") -> FlowRun:
        """The flow's own engine runs it here, as a run that a worker took up."""
        run = self.run(flow.name, name, queue=queue)
        self.becomes(run, Pending())
        ended = run_flow(flow, flow_run=self.client.read_flow_run(run.id), return_type="state")
        if isinstance(ended, Coroutine):
            asyncio.run(ended)
        return self.client.read_flow_run(run.id)

    def state(self, run: FlowRun) -> State[Any]:
        """Its state now."""
        state = self.client.read_flow_run(run.id).state
        assert state
        return state

    def everything_before_was_told(self, name: str) -> None:
        """Wait until an incident that happens now is told of: what happened before has been looked at by then."""
        self.ends("sentinel", name, Failed(message="the sentinel"))
        self.slack.one(name)


def hurried(automations: Sequence[Automation], seconds: float) -> list[Automation]:
    """The automations of the files, with this patience in place of their minutes; windows of memory stay."""
    return [
        one.model_copy(update={"trigger": one.trigger.model_copy(update={"within": seconds})})
        if one.trigger.posture == "Proactive"
        else one
        for one in automations
    ]


def eventually(true: Callable[[], bool], pause: threading.Event | None = None) -> bool:
    """Whether it becomes true within the patience: for what the server does without telling."""
    wait = pause or threading.Event()
    return any(true() or wait.wait(0.25) for _ in range(int(_PATIENCE * 4)))
