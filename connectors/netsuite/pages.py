"""Pages of one query, by key, and their way into the lake."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from connectors.batch import Part, PartKind
from connectors.errors import CountMismatch
from connectors.json_lines import Page
from connectors.lake import Lake

Fetch = Callable[[str], Awaitable[Page]]
"""Runs one SuiteQL query at offset 0 and returns its first page."""


@dataclass
class KeysetPages:
    """All rows of a query, page after page; iterate once.

    Args:
        fetch: runs a query.
        query: the query for the rows with a key greater than its argument, ordered by key.
        key: the key's name in the answer.

    Attributes:
        total: rows the source counted when the first page was served.
        rows: rows received so far.
    """

    fetch: Fetch
    query: Callable[[int | None], str]
    key: str
    total: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)

    async def __aiter__(self) -> AsyncIterator[Page]:
        """The pages that hold rows. Raises CountMismatch when a page contradicts its own count or order."""
        last: int | None = None
        while True:
            page = await self.fetch(self.query(last))
            left = _count(page, "totalResults")
            if last is None:
                self.total = left
            if page.rows != _count(page, "count") or page.rows > left or (page.rows < left and not page.rows):
                raise CountMismatch(
                    f"netsuite: a page of {page.envelope.get('count')} rows of {left} left holds {page.rows}",
                    expected=page.envelope.get("count"),
                    received=page.rows,
                )
            if not page.rows:
                return
            reached = self._key_of(page)
            if last is not None and reached <= last:
                raise CountMismatch(f"netsuite: a page after {self.key} {last} ends at {reached}: it would never end")
            last = reached
            self.rows += page.rows
            yield page
            if page.rows == left:
                return

    def _key_of(self, page: Page) -> int:
        try:
            return int((page.last or {})[self.key])
        except (KeyError, TypeError, ValueError):
            raise CountMismatch(f"netsuite: the last row of a page has no whole number in {self.key!r}") from None


async def write_parts(
    pages: AsyncIterator[Page],
    lake: Lake,
    prefix: str,
    *,
    kind: PartKind,
    header: tuple[str, ...],
    part_rows: int,
    told: Callable[[int, int], None],
) -> list[Part]:
    """Write pages as gzipped JSON lines (`rows-00000.jsonl.gz`), a new object every `part_rows` rows or a page more.

    Args:
        told: called after each page with the rows and compressed bytes so far.
    """
    parts: list[Part] = []
    rows = size = 0
    page = await anext(pages, None)
    while page is not None:
        name = f"{kind}-{len(parts):05d}.jsonl.gz"
        async with lake.new_part(prefix, name, kind=kind, format="jsonl") as writer:
            gzip = zlib.compressobj(level=1, wbits=31)
            written = 0
            while page is not None and written < part_rows:
                chunk = await asyncio.to_thread(gzip.compress, page.lines)
                await writer.write(chunk)
                written, rows, size = written + page.rows, rows + page.rows, size + len(chunk)
                told(rows, size)
                page = await anext(pages, None)
            await writer.write(gzip.flush())
            writer.finish(header=header, rows=written)
        parts.append(writer.part)
    return parts


def _count(page: Page, name: str) -> int:
    value = page.envelope.get(name)
    if not isinstance(value, int):
        raise CountMismatch(f"netsuite: a page says nothing about its {name!r}")
    return value
