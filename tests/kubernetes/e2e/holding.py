"""Runs held in the middle of their work: a request at a source that gets no answer until the test lets it go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.kubernetes.e2e.outcome import DAILY, LEFT
from tests.kubernetes.stage import Stage

_PATIENCE = 600.0
"""Seconds, mostly for Prefect's import in two pods, one after the other, on a busy machine."""
_REQUESTS = {"s3-usage": ("s3", r"^GET /[^/?]+/[^?]+$"), "zuora": ("zuora", r"^GET /v1/batch-query/jobs/")}
"""A request that all data of a source waits for: a file of its one batch, the one job for all objects."""


class Hold:
    """The request at each source that its data waits for gets no answer.

    All pods share one DuckDB file, which one process at a time may open: so one child comes to its request, and the
    other one stands before the file.
    """

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = threading.Event()
        self._first = ""

    def wait(self) -> str:
        """Until a child has come to its request. Returns the name of its flow. Raises TimeoutError."""
        if not self._reached.wait(_PATIENCE):
            raise TimeoutError("no run came to the request at which it is held")
        return self._first

    def release(self) -> None:
        """Let them be answered."""
        self._released.set()

    def act(self, flow: str) -> None:
        """What the sandbox does before it answers."""
        self._first = self._first or flow
        self._reached.set()
        self._released.wait(_PATIENCE)


@contextmanager
def held(stage: Stage) -> Iterator[Hold]:
    """Hold such requests at both sources, also when they are asked again; they are let go at the block's end at the
    latest."""
    hold = Hold()
    for flow, (system, request) in _REQUESTS.items():
        stage.sandbox.faults[system].arm(request, times=None, act=lambda flow=flow: hold.act(flow))
    try:
        yield hold
    finally:
        hold.release()
        for system, _ in _REQUESTS.values():
            stage.sandbox.faults[system].clear()


@dataclass(frozen=True)
class AtWork:
    """A daily refresh in the middle of its work. Flow run ids.

    Attributes:
        working: flow of the child that is held at its source, with the DuckDB file open.
        waiting: flow of the child that waits for that file.
        children: their runs by flow.
    """

    parent: str
    working: str
    waiting: str
    children: dict[str, str]


def daily_at_work(stage: Stage, hold: Hold) -> AtWork:
    """Start a daily refresh of both sources, and wait until both children are at work."""
    parent = stage.api.start_run(DAILY, sources=LEFT)
    working = hold.wait()
    [waiting] = _REQUESTS.keys() - {working}
    stage.api.wait_child(parent, waiting)
    children = {flow: runs[0]["id"] for flow, runs in stage.api.children(parent).items()}
    return AtWork(parent, working, waiting, children)
