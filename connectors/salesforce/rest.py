"""Queries by the REST API: small results, and objects that the Bulk API does not serve.

Facts: "REST API Developer Guide", QueryAll and Query More Results: up to 2,000 records a page, each with
`attributes`; a parent's field comes as an object; address and headers have room for 16,384 bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from connectors.errors import ConfigurationError, CountMismatch, MgdwError, UnreadableFile
from connectors.http import HttpSession
from connectors.json_lines import Page, cut
from connectors.lake import PartWriter
from connectors.salesforce.result import QueryResult, Sink, in_our_spelling
from connectors.salesforce.soql import Query

_LONGEST_REQUEST = 16_384 - 3_072
"""Bytes of the address; the rest is for headers, of which the token is the longest."""
_STARTS = 3
"""How often a query is asked anew when its locator is lost or its pages do not hold what was counted."""
# A JSON number of more digits than a double keeps, or with an exponent: kept as text, as the Bulk API sends it.
_LONG_NUMBER = re.compile(rb'":-?(?=[\d.]{16}|[\d.]+[eE])')


class StaleLocator(Exception):
    """The query has to be asked anew."""


class RestQuery:
    """Runs queries page by page. Safe for concurrent use.

    Args:
        data_url: `/services/data/vXX.X`.
    """

    def __init__(self, session: HttpSession, data_url: str) -> None:
        self._session = session
        self._url = f"{data_url}/queryAll/"

    def address(self, query: Query) -> str | None:
        """Where to ask; None when the query is too long for an address."""
        url = f"{self._url}?q={quote(query.soql)}"
        return url if len(url) <= _LONGEST_REQUEST else None

    async def result(self, query: Query, sink: Sink, most: int | None = None) -> QueryResult | None:
        """Copy all rows into one part; None, and nothing is written, when there are more than `most`.

        Raises:
            ConfigurationError: the query is too long.
            CountMismatch: the pages hold other rows than the query counted, each time it was asked.
            UnreadableFile: a page is not what it should be.
        """
        url = self.address(query)
        if url is None:
            raise ConfigurationError(
                f"{query.table.name}: its query is too long for the REST API, and the Bulk API refuses the object",
                remedy="Take columns out of the table in the contract file, or declare the rest as a second table.",
            )
        problem: MgdwError | None = None
        for _ in range(_STARTS):
            try:
                return await self._attempt(query, url, sink, most)
            except StaleLocator as stale:
                problem = stale.__cause__ if isinstance(stale.__cause__, MgdwError) else None
            except CountMismatch as error:
                # A row deleted between two pages is in the count and in no page.
                problem = error
        assert problem is not None
        raise problem

    async def _attempt(self, query: Query, url: str, sink: Sink, most: int | None) -> QueryResult | None:
        async with aclosing(self._pages(query, url)) as pages:
            first = await anext(pages)
            total = int(first.envelope["totalSize"])
            if most is not None and total > most:
                return None
            rows, kind = 0, sink.kind
            async with sink.lake.new_part(sink.prefix, f"{kind}-00000.jsonl", kind=kind, format="jsonl") as part:
                header = _header(query, first)
                page: Page | None = first
                while page is not None:
                    rows += page.rows
                    await _write(part, query, page, header)
                    page = await anext(pages, None)
                if rows != total:
                    raise CountMismatch(
                        f"{query.table.name}: the pages of a REST query hold {rows} rows, it counted {total}",
                        pages=rows, counted=total,
                    )  # fmt: skip
                if rows:
                    part.finish(header=header, rows=rows)
        sink.add(rows, part.part.bytes if rows else 0)
        return QueryResult((part.part,) if rows else (), rows, ("rest", query.soql))

    async def _pages(self, query: Query, url: str) -> AsyncGenerator[Page]:
        path: str | None = url
        seen: set[str] = set()
        opening = f'{{"attributes":{{"type":"{query.table.object}",'
        while path is not None:
            seen.add(path)
            try:
                answer = await self._session.request("GET", path)
            except MgdwError as error:
                if error.facts.get("code") == "INVALID_QUERY_LOCATOR":
                    raise StaleLocator from error
                raise
            try:
                page = cut(answer.content, records="records", opening=opening)
                done, following = page.envelope["done"], page.envelope.get("nextRecordsUrl")
                int(page.envelope["totalSize"])
            except (ValueError, KeyError, TypeError) as error:
                raise UnreadableFile(f"{query.table.name}: a page of a REST query is not what it should be") from error
            yield page
            if not done and (not following or following in seen):
                raise UnreadableFile(f"{query.table.name}: a page of a REST query does not say where the next one is")
            path = None if done else following


def _header(query: Query, page: Page) -> tuple[str, ...]:
    """The names under which the records have their fields."""
    if page.last is None or _is_nested(query.fields):
        return query.fields
    found = [name for name in page.last if name != "attributes"]
    in_our_spelling(query.table, found, query.fields)
    return tuple(found)


async def _write(part: PartWriter, query: Query, page: Page, header: Sequence[str]) -> None:
    lines = page.lines
    if _is_nested(query.fields) or _LONG_NUMBER.search(lines):
        records = (json.loads(line, parse_float=str, parse_int=_whole) for line in lines.split(b"\n") if line)
        lines = b"".join(json.dumps(_flat(r, header), ensure_ascii=False).encode() + b"\n" for r in records)
    await part.write(lines)


def _whole(text: str) -> int | str:
    return int(text) if len(text) < 16 else text


def _flat(record: dict[str, Any], header: Sequence[str]) -> dict[str, Any]:
    return {"attributes": record.get("attributes"), **{name: _value(record, name) for name in header}}


def _value(record: dict[str, Any], name: str) -> Any:
    """A field, or a parent's field by its path; names in any case, as SOQL has them. None without a parent."""
    value: Any = record
    for step in name.lower().split("."):
        if value is None:
            return None
        value = next((v for key, v in value.items() if key.lower() == step), None)
    return value


def _is_nested(fields: Sequence[str]) -> bool:
    return any("." in name for name in fields)
