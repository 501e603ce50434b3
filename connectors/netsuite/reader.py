"""Reads a selection into the lake: in one go, or cut into ranges of its key that are read side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from connectors.batch import Part, PartKind
from connectors.errors import MgdwError, RetryableError
from connectors.json_lines import Page
from connectors.lake import Lake
from connectors.netsuite.client import NetSuiteClient
from connectors.netsuite.pages import PartWriter, ProvenPages
from connectors.netsuite.ranges import MOST_BUCKETS, Range, bucket_width, cut, rows_per_range
from connectors.netsuite.suiteql import Key, Selection

ResultT = TypeVar("ResultT")
_PAGES_WORTH_CUTTING = 8


@dataclass
class Reading:
    """What was read of one selection.

    Attributes:
        rows: rows received, each page of them proven against the source's own count.
        ranges: in how many ranges.
        doubts: pages that had to be asked for again.
    """

    parts: list[Part] = field(default_factory=list[Part])
    rows: int = 0
    ranges: int = 0
    doubts: int = 0


@dataclass
class Reader:
    """Reads selections of one batch.

    Args:
        at_once: ranges of one selection that are read side by side.
        told: called after each page with the rows and compressed bytes so far, and the rows the source counts (0 if it
            does not say).
    """

    client: NetSuiteClient
    lake: Lake
    prefix: str
    part_rows: int
    at_once: int
    told: Callable[[int, int, int], None] = lambda _rows, _bytes, _of_rows: None

    async def read(self, selection: Selection, kind: PartKind) -> Reading:
        """All rows of the selection as parts. Raises CountMismatch, and what the queries raise."""
        rows = size = of_rows = 0

        def told(more_rows: int, more_bytes: int) -> None:
            nonlocal rows, size
            rows, size = rows + more_rows, size + more_bytes
            self.told(rows, size, of_rows)

        page_rows = self.client.page_rows(len(selection.header))
        writer = PartWriter(self.lake, self.prefix, kind, selection.header, self.part_rows, told)

        async def fetch(query: str) -> Page:
            return await self.client.query(query, page_rows)

        opening = await fetch(selection.page())
        total = opening.envelope.get("totalResults")
        of_rows = total if isinstance(total, int) else 0
        ranges = await self._ranges(selection, page_rows, total)

        async def one(number: int, span: Range) -> Reading:
            first = opening if span == Range() else None
            pages = ProvenPages(
                fetch, self.client.count, selection, page_rows, _key(span.after), _key(span.upto), first
            )
            parts = await writer.write(aiter(pages), number)
            return Reading(parts, pages.rows, 1, pages.doubts)

        read = await side_by_side([partial(one, number, span) for number, span in enumerate(ranges)], self.at_once)
        return Reading(
            [part for reading in read for part in reading.parts],
            sum(reading.rows for reading in read),
            len(read),
            sum(reading.doubts for reading in read),
        )

    async def _ranges(self, selection: Selection, page_rows: int, total: object) -> list[Range]:
        """One range, or several for a large selection; two queries more to cut it."""
        if self.at_once == 1 or not isinstance(total, int) or total < _PAGES_WORTH_CUTTING * page_rows:
            return [Range()]
        try:
            extent = (await self.client.query(selection.extent())).last or {}
            lowest, highest = int(extent["lowest"]), int(extent["highest"])
            width = bucket_width(lowest, highest)
            page = await self.client.query(selection.buckets(lowest, width), MOST_BUCKETS)
            buckets = {int(float(row["bucket"])): int(row["rowcount"]) for row in page.records()}
        except RetryableError:
            raise
        except (MgdwError, KeyError, TypeError, ValueError):
            # Nothing rests on the histogram but speed.
            return [Range()]
        return cut(buckets, lowest, width, rows_per_range(total, page_rows, self.part_rows))


async def side_by_side(works: Iterable[Callable[[], Awaitable[ResultT]]], at_once: int) -> list[ResultT]:
    """The results in order. The first failure stops the others and is raised as it is."""
    turn = asyncio.Semaphore(at_once)

    async def one(work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        async with turn:
            return await work()

    tasks = [asyncio.ensure_future(one(work)) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _key(value: int | None) -> Key | None:
    return None if value is None else (value,)
