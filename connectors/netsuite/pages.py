"""Pages of one query, by key, each proven whole before it is passed on; and their way into the lake."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from connectors.batch import Part, PartKind
from connectors.errors import CountMismatch
from connectors.json_lines import Page
from connectors.lake import Lake
from connectors.netsuite.suiteql import Key, Selection

Fetch = Callable[[str], Awaitable[Page]]
"""Runs one SuiteQL query at offset 0 and returns its first page."""
Count = Callable[[str], Awaitable[int]]
"""Runs a query for one number."""
_LOOKS = 3


class DoubtfulPageError(Exception):
    """A page that contradicts itself, its neighbour or the source's count.

    Args:
        expected: rows by the source's count, where that is the trouble.
        received: rows in the page.
    """

    def __init__(self, text: str, expected: object = None, received: object = None) -> None:
        super().__init__(text)
        self.expected = expected
        self.received = received


@dataclass(frozen=True)
class KeyedPage:
    """A page with the keys of its rows, ascending, and how many rows the query has from this page on."""

    page: Page
    keys: list[Key]
    left: int


@dataclass
class ProvenPages:
    """The rows of a selection within a range, page after page; iterate once.

    A page is passed on only when it is known that no row of its range is missing from it: what is left by its own count
    is what the page before promised, and the next page has less by just its rows; or else (rows were edited, added or
    deleted meanwhile) the source counts as many rows in its range of keys as it holds. A page that cannot be proven is
    asked for again, three times in all. A last page that is full is followed by one more look: a count that is too low
    would end there unnoticed.

    Args:
        page_rows: rows that a page may have.
        after: keys greater than this.
        upto: and not greater than this.
        first: the first page, where it was fetched already.

    Attributes:
        rows: rows passed on so far.
        doubts: pages that had to be asked for again.
    """

    fetch: Fetch
    count: Count
    selection: Selection
    page_rows: int
    after: Key | None = None
    upto: Key | None = None
    first: Page | None = None
    rows: int = 0
    doubts: int = 0

    async def __aiter__(self) -> AsyncIterator[Page]:
        """The pages that hold rows. Raises CountMismatch for a page that stays doubtful."""
        after, expected, looks = self.after, None, 1
        found: KeyedPage | None = None
        while True:
            try:
                found = found or await self._page(after)
                following = await self._proven(found, after, expected)
            except DoubtfulPageError as doubt:
                looks, found, self.doubts = looks + 1, None, self.doubts + 1
                if looks > _LOOKS:
                    raise CountMismatch(
                        f"netsuite: {self.selection.source}: {doubt}",
                        expected=doubt.expected,
                        received=doubt.received,
                    ) from None
                continue
            if found.keys:
                self.rows += len(found.keys)
                yield found.page
            if following is None:
                return
            after, expected, looks = found.keys[-1], found.left - len(found.keys), 1
            found = following

    async def _proven(self, found: KeyedPage, after: Key | None, expected: int | None) -> KeyedPage | None:
        """The page that follows, or None after the last. Raises DoubtfulPageError unless `found` is whole."""
        rows, moved = len(found.keys), expected not in (None, found.left)
        is_last = rows == found.left and rows < self.page_rows
        following = None if is_last else await self._page(found.keys[-1])
        if moved or (following and following.left != found.left - rows):
            await self._recount(after, found.keys[-1] if following else self.upto, rows)
        return following

    async def _page(self, after: Key | None) -> KeyedPage:
        page, self.first = self.first or await self.fetch(self.selection.page(after, self.upto)), None
        told, left = page.envelope.get("count"), page.envelope.get("totalResults")
        if not isinstance(told, int) or not isinstance(left, int) or page.rows != told or page.rows > left:
            raise DoubtfulPageError(f"a page says it has {told} of {left} rows, and holds {page.rows}", told, page.rows)
        if page.rows < left and not page.rows:
            raise DoubtfulPageError(f"an empty page, with {left} rows left", left, 0)
        # A name in another case than the header's would be read as NULL, row after row.
        unknown = set(page.last or ()) - {*self.selection.header, "links"}
        if unknown:
            raise DoubtfulPageError(f"a page has columns that were not asked for: {', '.join(sorted(unknown))}")
        keys = keys_of(page, self.selection.names)
        before = [] if after is None or len(after) < len(self.selection.keys) else [after]
        if any(one >= other for one, other in pairwise([*before, *keys])):
            raise DoubtfulPageError("the rows of a page are not in the order of their keys, or were served before")
        return KeyedPage(page, keys, left)

    async def _recount(self, after: Key | None, upto: Key | None, rows: int) -> None:
        counted = await self.count(self.selection.count(after, upto))
        if counted != rows:
            raise DoubtfulPageError(
                f"{counted} rows counted, {rows} received, after key {after} up to {upto}", counted, rows
            )


def keys_of(page: Page, names: Sequence[str]) -> list[Key]:
    """The keys of a page's rows. Raises DoubtfulPageError when a row has none.

    They are found by bytes: inside a JSON text a quote is always escaped, so `"id":` can only be the member itself.
    """
    columns = [re.findall(rb'"%s"\s*:\s*"?(-?\d+)"?\s*[,}]' % name.encode(), page.lines) for name in names]
    if any(len(column) != page.rows for column in columns):
        raise DoubtfulPageError(f"not every row of a page has whole numbers in {', '.join(names)}")
    return [tuple(map(int, key)) for key in zip(*columns, strict=True)]


@dataclass
class PartWriter:
    """Writes pages as gzipped JSON lines, a new object every `part_rows` rows or a page more.

    Args:
        told: called after each page with its rows and compressed bytes.
    """

    lake: Lake
    prefix: str
    kind: PartKind
    header: tuple[str, ...]
    part_rows: int
    told: Callable[[int, int], None]

    async def write(self, pages: AsyncIterator[Page], number: int = 0) -> list[Part]:
        """The parts of range `number` (`rows-00003-00000.jsonl.gz`)."""
        parts: list[Part] = []
        page = await anext(pages, None)
        while page is not None:
            name = f"{self.kind}-{number:05d}-{len(parts):05d}.jsonl.gz"
            async with self.lake.new_part(self.prefix, name, kind=self.kind, format="jsonl") as writer:
                gzip = zlib.compressobj(level=1, wbits=31)
                written = 0
                while page is not None and written < self.part_rows:
                    chunk = await asyncio.to_thread(gzip.compress, page.lines)
                    await writer.write(chunk)
                    written += page.rows
                    self.told(page.rows, len(chunk))
                    page = await anext(pages, None)
                await writer.write(gzip.flush())
                writer.finish(header=self.header, rows=written)
            parts.append(writer.part)
        return parts
