"""Bulk jobs that a run left behind when its process died: written down before they are waited for, taken up again.

The API lists jobs but not their queries, so a job can only be known again by a note in the lake. There is one note a
table. It is a help and no state: without it a batch is read anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.lake import Lake
from connectors.salesforce.soql import parse

NAME = "jobs.json"
_KEPT = timedelta(days=7)
"""How long Salesforce keeps a job."""


@dataclass(frozen=True)
class Unfinished:
    """How far the reading of a batch had come.

    Attributes:
        hi: end of the batch's window.
        soql: the whole query.
        where: instance and API version: a job is read where and how it was made.
        jobs: job id by the query it was made for, in order of their making.
        cuts: where a query that was too much was cut, by the query.
    """

    hi: datetime
    soql: str
    where: str
    jobs: dict[str, str] = field(default_factory=dict[str, str])
    cuts: dict[str, datetime] = field(default_factory=dict[str, datetime])


class Notes:
    """The note of each table. Safe for concurrent use within one process."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    async def find(self, lake: Lake, request: BatchRequest) -> Unfinished | None:
        """What an earlier run left for this request, or for one that began where this one begins."""
        raw = (await self._read(lake, request.table)).get(_key(request))
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            if raw:
                cuts = {query: parse(at) for query, at in raw["cuts"].items()}
                return Unfinished(parse(raw["hi"]), raw["soql"], raw["where"], dict(raw["jobs"]), cuts)
        return None

    async def keep(self, lake: Lake, request: BatchRequest, unfinished: Unfinished | None) -> None:
        """Write down how far the request has come; None when it has ended."""
        async with self._locks.setdefault(request.table.name, asyncio.Lock()):
            before = await self._read(lake, request.table)
            recent = (request.window.hi - _KEPT).isoformat()
            found = {key: left for key, left in before.items() if str(left.get("hi")) > recent}
            if unfinished is None:
                found.pop(_key(request), None)
            else:
                found[_key(request)] = json.loads(json.dumps(asdict(unfinished), default=datetime.isoformat))
            if found != before:
                await lake.note(_prefix(request.table), NAME, json.dumps(found, indent=1))

    async def _read(self, lake: Lake, table: Table) -> dict[str, Any]:
        text = await lake.read_note(_prefix(table), NAME)
        with contextlib.suppress(ValueError):
            found: Any = json.loads(text) if text else None
            if isinstance(found, dict):
                entries = cast(dict[str, Any], found)
                return {key: left for key, left in entries.items() if isinstance(left, dict)}
        return {}


@dataclass
class Progress:
    """The jobs and cuts of one batch while it is read; every change is written down."""

    notes: Notes
    lake: Lake
    request: BatchRequest
    state: Unfinished
    left: dict[str, str] = field(default_factory=dict[str, str])
    """Jobs of an earlier run that may be taken up."""
    made: list[str] = field(default_factory=list[str])
    """All jobs to be deleted when the batch has ended."""

    def take_up(self, soql: str) -> str | None:
        """The job an earlier run made for the query. Once a piece had to be read anew, none is taken up any more: the
        pieces of a snapshot are read oldest first, or else a row that moves between them could be missed."""
        job = self.left.pop(soql, None)
        if job is not None:
            self.made.append(job)
        return job

    def read_anew(self) -> None:
        """A piece is read now: no later piece may be of an earlier time."""
        self.made += self.left.values()
        self.left = {}

    async def started(self, soql: str, job_id: str) -> None:
        """A job was made."""
        self.read_anew()
        self.made.append(job_id)
        self.state = replace(self.state, jobs={**self.state.jobs, soql: job_id})
        await self.notes.keep(self.lake, self.request, self.state)

    async def cut(self, soql: str, at: datetime) -> None:
        """A query was too much."""
        jobs = {query: job for query, job in self.state.jobs.items() if query != soql}
        self.state = replace(self.state, jobs=jobs, cuts={**self.state.cuts, soql: at})
        await self.notes.keep(self.lake, self.request, self.state)

    async def ended(self) -> None:
        """The batch is whole, or will not be."""
        await self.notes.keep(self.lake, self.request, None)


def _key(request: BatchRequest) -> str:
    start = request.window.lo.isoformat() if request.window.lo else "beginning"
    return f"{request.scope} {start} {request.label}".strip()


def _prefix(table: Table) -> str:
    return f"raw/{table.source}/{table.name}"
