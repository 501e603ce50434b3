"""Laws of loading: different ways to the same state. Each holds when it returns no differences.

A law is given a source and a chance that settles the example, and leads the same business through two histories.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.lake.local import LocalLake
from connectors.s3.delivery import batches
from connectors.source import TableState
from connectors.sync import Plan
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window, covered_until
from tests.reliability.run import Job, build
from tests.reliability.stage import Stage
from tests.reliability.verdict import Content, content, digest

Law = Callable[[Stage, str, Random], list[str]]
_ANY_SIZE: dict[str, Callable[[Random], dict[str, Any]]] = {
    "salesforce": lambda chance: {
        "page_rows": chance.choice([None, 1, 7, 100]), "pages_at_once": chance.randint(1, 4),
        "tables_at_once": chance.randint(1, 3), "overlap_seconds": chance.choice([1800, 86_400]),
    },
    "netsuite": lambda chance: {
        "page_rows": chance.choice([5, 6, 50, 1000]), "part_rows": chance.choice([1, 10, 1000]),
        "concurrency": chance.randint(1, 6), "overlap_seconds": chance.choice([1800, 86_400]),
    },
    "zuora": lambda chance: {
        "downloads_at_once": chance.randint(1, 6), "overlap_seconds": chance.choice([1800, 86_400]),
    },
    "s3": lambda chance: {
        "batch_files": chance.choice([1, 2, 200]), "concurrency": chance.randint(1, 8),
        "batch_bytes": chance.choice([1, 500, 1_000_000]),
    },
}  # fmt: skip
"""Settings that may change how the work is cut, and nothing else."""


def one_run_equals_two(stage: Stage, source: str, chance: Random) -> list[str]:
    """One run over [a, c) equals one over [a, b), then one over [b, c)."""
    job = stage.job(source)
    share = chance.random()
    stage.site.clean(job, plan=_cut(job, lambda lo, hi: [Window(lo, lo + (hi - lo) * share)], first=share))
    stage.site.clean(job)
    return differences(content(job), stage.clean(source).content)


def twice_equals_once(stage: Stage, source: str, chance: Random) -> list[str]:
    """A second run writes nothing, not even metadata; nor do the same requests again."""
    job = stage.job(source)
    asked: list[BatchRequest] = []

    async def noted(table: Table, state: TableState) -> list[BatchRequest]:
        async with build(job) as other:
            planned = await other.plan(table, state)
        asked.extend(planned)
        return planned

    stage.site.clean(job, plan=noted)
    once = digest(job)
    stage.site.clean(job)
    found = [] if digest(job) == once else ["a second run changed the tables"]
    chance.shuffle(asked)
    stage.site.clean(job, plan=_given(asked))
    return found + ([] if digest(job) == once else ["the same requests again changed the tables"])


def any_size_gives_the_same(stage: Stage, source: str, chance: Random) -> list[str]:
    """Page size, part size, batch size and concurrency change how the work is cut, never what comes of it."""
    job = stage.job(source, **_ANY_SIZE[source](chance))
    stage.site.clean(replace(job, one_at_a_time=False, loads_at_once=2))
    return differences(content(job), stage.clean(source).content)


def any_order_gives_the_same(stage: Stage, source: str, chance: Random) -> list[str]:
    """Windows or files that are loaded in any order give the same table."""
    job = stage.job(source)
    cuts = sorted(chance.random() for _ in range(3))

    def pieces(lo: datetime, hi: datetime) -> list[Window]:
        edges = [lo, *(lo + (hi - lo) * cut for cut in cuts), hi]
        windows = [Window(a, b) for a, b in pairwise(edges)]
        chance.shuffle(windows)
        return windows

    stage.site.clean(job, plan=_cut(job, pieces, shuffled=chance))
    return differences(content(job), stage.clean(source).content)


def backfill_and_sync_commute(stage: Stage, source: str, chance: Random) -> list[str]:
    """A backfill of a window (or of all files), then a run, equals the run, then the backfill."""
    days = timedelta(days=chance.uniform(0.1, 20))
    now = stage.site.world.now
    label = f"backfill {chance.randint(1, 9)}"

    def backfill(job: Job) -> Plan:
        async def plan(table: Table, state: TableState) -> list[BatchRequest]:
            async with build(job) as other:
                if table.format:
                    return [replace(r, label=label) for r in await other.plan(table, state, full=True)]
            return [BatchRequest(table, Window(now - days, now), label=label)]

        return plan

    found: list[Content] = []
    for backfill_first in (True, False):
        job = stage.job(source)
        for backfilling in (backfill_first, not backfill_first):
            stage.site.clean(job, plan=backfill(job) if backfilling else None)
        found.append(content(job))
    return differences(*found) + differences(found[0], stage.clean(source).content)


def full_and_increment_commute(stage: Stage, source: str, chance: Random) -> list[str]:
    """A full reading, then a run, equals the run, then the full reading."""
    found: list[Content] = []
    for order in ((True, False), (False, True)):
        job = stage.job(source)
        for full in order:
            stage.site.clean(replace(job, full=full))
        found.append(content(job))
    return differences(*found) + differences(found[0], stage.clean(source).content)


def replay_changes_nothing(stage: Stage, source: str, chance: Random) -> list[str]:
    """Loading every batch again from the lake, in any order, changes no row."""
    job = stage.job(source)
    stage.site.clean(job)
    before = content(job)
    asyncio.run(_replayed(job, chance))
    return differences(content(job), before)


async def _replayed(job: Job, chance: Random) -> None:
    lake = LocalLake(job.lake)
    async with DuckDBWarehouse(job.database, threads=1) as warehouse:
        for table in job.contract.tables:
            manifests = [manifest async for manifest in lake.manifests(table.source, table.name)]
            chance.shuffle(manifests)
            for manifest in manifests:
                await warehouse.load(table, manifest, lake, run_id="replay", again=True)


LAWS: dict[str, Law] = {
    "One run over [a, c) equals one over [a, b), then one over [b, c)": one_run_equals_two,
    "Twice equals once, metadata included": twice_equals_once,
    "Any page, part and batch size, and any concurrency, gives the same table": any_size_gives_the_same,
    "Windows or files in any order give the same table": any_order_gives_the_same,
    "Backfill, then run, equals run, then backfill": backfill_and_sync_commute,
    "Full reading, then run, equals run, then full reading": full_and_increment_commute,
    "Replay of every batch from the lake, in any order, changes nothing": replay_changes_nothing,
}


def differences(one: Content, other: Content) -> list[str]:
    """In what two warehouses differ, whoever wrote it and in whatever batches."""
    return [
        f"{what}: {getattr(one, what)} and {getattr(other, what)}"[:600]
        for what in ("living", "tombstones", "quarantined")
        if getattr(one, what) != getattr(other, what)
    ]


def _given(requests: Sequence[BatchRequest]) -> Plan:
    async def plan(table: Table, _: TableState) -> list[BatchRequest]:
        return [request for request in requests if request.table.name == table.name]

    return plan


def _cut(
    job: Job,
    windows: Callable[[datetime, datetime], list[Window]],
    *,
    first: float | None = None,
    shuffled: Random | None = None,
) -> Plan:
    """What the source would plan, in other windows; for files, in other batches.

    Args:
        first: the part of the files to take; None for all.
        shuffled: settles the order of files.
    """

    async def plan(table: Table, state: TableState) -> list[BatchRequest]:
        async with build(job) as other:
            if table.format:
                planned = await other.plan(table, state)
                files = [file for request in planned for file in request.files]
                if shuffled:
                    shuffled.shuffle(files)
                files = files if first is None else files[: int(first * len(files))]
                return [r for file in files for r in batches(table, [file], most_files=1, most_bytes=1 << 30)]
            hi = await other.horizon(table)
        lo = covered_until(state.windows)
        assert lo
        return [BatchRequest(table, window) for window in windows(lo, hi)]

    return plan


__all__ = ["LAWS", "Law", "differences"]
