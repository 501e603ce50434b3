"""How far a load is, as a progress artifact of its run: written seldom, and no oftener for a longer load."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from prefect.artifacts import ProgressArtifact, aupdate_progress_artifact
from prefect.client.orchestration import PrefectClient, get_client

from connectors.progress import ProgressEvent, Stage, subscribed
from flows.artifacts import harmless

_REACHED: dict[Stage, float] = {
    "planned": 0.0, "waiting": 0.02, "extracting": 0.05, "extracted": 0.8, "loading": 0.85,
    "loaded": 1.0, "unchanged": 1.0, "failed": 1.0,
}  # fmt: skip
"""Share of a table's way that is behind it when a stage begins."""
_MOST_LINES = 6
"""Tables under way that the text names."""
FIRST_SECONDS = 10.0
"""A load that is done by then has no progress artifact."""
GAP_SECONDS = 5.0
STEP_PERCENT = 5.0
LAST_WORD_SECONDS = 15.0
"""How long the end of a load waits for the server to take the last figure."""


@dataclass
class _Table:
    batches: int = 1
    finished: int = 0
    finished_rows: int = 0
    last: ProgressEvent | None = None

    def take(self, event: ProgressEvent) -> None:
        self.last = event
        if event.batches:
            self.batches = event.batches
        if event.stage == "loaded":
            self.finished += 1
            self.finished_rows += event.rows

    @property
    def is_done(self) -> bool:
        is_last = self.finished >= self.batches
        return self.last is not None and (self.last.stage in ("unchanged", "failed") or is_last)

    @property
    def share(self) -> float:
        if self.is_done or self.last is None:
            return float(self.is_done)
        if self.batches > 1:
            return self.finished / self.batches
        reached = _REACHED[self.last.stage]
        if self.last.stage == "extracting":
            of, so_far = (
                (self.last.of_rows, self.last.rows) if self.last.of_rows else (self.last.of_bytes, self.last.bytes)
            )
            reached += min(so_far / of, 1.0) * (_REACHED["extracted"] - reached) if of else 0.0
        return reached

    def text(self, name: str) -> str:
        assert self.last is not None
        if self.batches > 1:
            return f"{name}: {self.finished:,} of {self.batches:,} batches, {self.finished_rows:,} rows"
        return f"{name}: {_told(self.last)}"


def _told(event: ProgressEvent) -> str:
    counted = f"{event.rows:,} of {event.of_rows:,} rows" if event.of_rows else f"{event.rows:,} rows"
    size = f", {event.bytes / 2**20:,.1f} MiB" if event.bytes else ""
    match event.stage:
        case "waiting":
            return f"waiting for {event.source}"
        case "extracting" if event.rows or event.bytes:
            return f"{counted}{size} read" if event.rows else f"{event.bytes / 2**20:,.1f} MiB read"
        case "extracting":
            return "reading"
        case "extracted" | "loading":
            return f"{counted}{size} in the lake, going into STG"
        case _:
            return event.stage


@dataclass
class LoadProgress:
    """What progress events of one source add up to. Every table counts the same; take events from any thread."""

    source: str
    tables: dict[str, _Table] = field(default_factory=dict[str, _Table])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _furthest: float = 0.0

    @classmethod
    def of(cls, source: str, tables: Iterable[str]) -> LoadProgress:
        return cls(source, {name: _Table() for name in tables})

    def take(self, event: ProgressEvent) -> None:
        """Take note of an event; those of other sources are left alone."""
        if event.source == self.source and event.table:
            with self._lock:
                self.tables.setdefault(event.table, _Table()).take(event)

    def percent(self) -> float:
        """0 to 100; it never goes back, also where a batch is read anew."""
        with self._lock:
            shares = [table.share for table in self.tables.values()]
            self._furthest = max(self._furthest, 100 * sum(shares) / max(len(shares), 1))
            return self._furthest

    def text(self, seconds: float) -> str:
        """`3 of 8 tables done after 4 min. sfdc_contact: 120,000 of 400,000 rows, 35.2 MiB read; …`."""
        with self._lock:
            done = sum(table.is_done for table in self.tables.values())
            failed = [n for n, table in self.tables.items() if table.last and table.last.stage == "failed"]
            under_way = {n: t for n, t in self.tables.items() if t.last and not t.is_done and t.last.stage != "planned"}
            lines = [table.text(name) for name, table in under_way.items()]
        more = [f"{len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        told = f"{done} of {len(self.tables)} tables done after {_duration(seconds)}."
        if failed:
            told += f" Failed: {', '.join(failed)}."
        return f"{told} {'; '.join([*lines[:_MOST_LINES], *more])}".strip()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


@dataclass
class Pace:
    """When to write: after the first seconds, then at each twentieth of the way or when the load lasts twice as long.

    So the number of writes is bounded (`most`) and grows by one when a load takes twice the time.
    """

    began: float
    _writes: int = 0
    _percent: float = 0.0
    _at: float = 0.0
    _next: float = FIRST_SECONDS

    def is_due(self, now: float, percent: float) -> bool:
        """True when it is time to write; then `wrote` has to be called."""
        lasted = now - self.began
        if not self._writes:
            return lasted >= FIRST_SECONDS
        if now - self._at < GAP_SECONDS:
            return False
        return percent >= self._percent + STEP_PERCENT or lasted >= self._next

    def wrote(self, now: float, percent: float) -> None:
        self._writes += 1
        self._percent, self._at = percent, now
        self._next = max(self._next, 2 * (now - self.began))

    @staticmethod
    def most(seconds: float) -> int:
        """Writes at most for a load of so many seconds, the last word included."""
        return 2 + round(100 / STEP_PERCENT) + math.ceil(math.log2(max(seconds / FIRST_SECONDS, 1)))


class _Artifact:
    """The one progress artifact of a run, written with one client."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._id: UUID | None = None
        self._client: PrefectClient | None = None

    @property
    def is_there(self) -> bool:
        return self._id is not None

    async def write(self, stack: contextlib.AsyncExitStack, percent: float, text: str) -> None:
        """Make it or bring it up to date. Whatever goes wrong is in the log."""
        with harmless(f"artifact {self._key}"):
            self._client = self._client or await stack.enter_async_context(get_client())
            if self._id is None:
                artifact = ProgressArtifact(key=self._key, description=text, progress=round(percent, 1))
                self._id = (await artifact.acreate(self._client)).id
            else:
                await aupdate_progress_artifact(self._id, round(percent, 1), text, self._client)


@contextlib.asynccontextmanager
async def shown(
    source: str,
    tables: Iterable[str],
    *,
    look_seconds: float = GAP_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[None]:
    """Show how far the load of these tables is, while the block runs, as the run's artifact `progress-<source>`.

    Args:
        look_seconds: how often to look (not: write) at what events have told.
        clock: seconds.
    """
    began, over = clock(), asyncio.Event()
    progress, artifact, pace = LoadProgress.of(source, tables), _Artifact(f"progress-{source}"), Pace(began)

    async def follow() -> None:
        async with contextlib.AsyncExitStack() as stack:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), look_seconds)
                now, percent = clock(), progress.percent()
                if artifact.is_there if over.is_set() else pace.is_due(now, percent):
                    pace.wrote(now, percent)
                    await artifact.write(stack, percent, progress.text(now - began))

    follower = asyncio.create_task(follow())
    try:
        with subscribed(progress.take):
            yield
        over.set()
        await asyncio.wait([follower], timeout=LAST_WORD_SECONDS)
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
