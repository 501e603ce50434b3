"""Runs held in the middle of their work: a request at a source that gets no answer until the test lets it go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.faults import Faults

_PATIENCE = 600.0
"""Seconds, mostly for Prefect's import in two pods, one after the other, on a busy machine."""
REQUEST = {"s3": r"^GET /[^/?]+/[^?]+$", "zuora": r"^GET /v1/file/"}
"""The first request for data of a source: it has signed in, knows what there is, and nothing is loaded yet."""


class Hold:
    """One request that waits."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = threading.Event()

    def wait(self) -> None:
        """Until the request has come. Raises TimeoutError."""
        if not self._reached.wait(_PATIENCE):
            raise TimeoutError("the run never came to the request at which it is held")

    def release(self) -> None:
        """Let it be answered."""
        self._released.set()

    def act(self) -> None:
        """What the sandbox does before it answers."""
        self._reached.set()
        self._released.wait(_PATIENCE)


@contextmanager
def held(faults: Faults, request: str) -> Iterator[Hold]:
    """Hold the next request that matches, once; it is let go at the block's end at the latest."""
    hold = Hold()
    faults.arm(request, act=hold.act)
    try:
        yield hold
    finally:
        hold.release()
