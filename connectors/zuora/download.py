"""Result files to the lake: the gzip bytes as Zuora stores them, looked through on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import httpx

from connectors.batch import Part
from connectors.contract import Table
from connectors.errors import CountMismatch, MgdwError, UnreadableFile
from connectors.http import HttpSession
from connectors.lake import Lake
from connectors.zuora.aqua import DELETED_COLUMN, QueryResult
from connectors.zuora.classify import DeletesUnsupported, classify
from connectors.zuora.csv_file import GzipCsv

TOMBSTONE_FIELD = "_deleted"
"""How the deleted column is called in a part's header; its text is `true` or `false`."""
_CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Download:
    """Fetches the files of a batch.

    Args:
        told: called with the bytes of each chunk written.
    """

    session: HttpSession
    lake: Lake
    prefix: str
    table: Table
    told: Callable[[int], None]

    async def parts(
        self,
        result: QueryResult,
        fields: Mapping[str, str],
        kind: Literal["rows", "keys"],
        *,
        deletes: bool = False,
    ) -> list[Part]:
        """Write every file of one query as a part; a file without even a header is none.

        Args:
            fields: the fields asked for, with their names in the query.
            deletes: whether a column was asked for that flags deleted rows.

        Raises:
            CountMismatch: the files hold other rows than Zuora counted.
            UnreadableFile: a file is no rectangular gzipped CSV with the fields asked for.
            DeletesUnsupported: the column of deleted rows was asked for and is not there.
            TruncatedBody: a file ended early, also when tried again.
        """
        found = [await self._part(file, f"{kind}-{i:05d}.csv.gz", fields, kind) for i, file in enumerate(result.files)]
        parts = [part for part in found if part]
        received = sum(part.rows or 0 for part in parts)
        if received != result.rows:
            raise CountMismatch(
                f"{self.table.name}: zuora counted {result.rows} {kind}, the files hold {received}",
                expected=result.rows,
                received=received,
            )
        if deletes and any(TOMBSTONE_FIELD not in part.header for part in parts):
            raise DeletesUnsupported(f"zuora left out the column of deleted rows of {self.table.object}")
        return parts

    async def _part(
        self, address: str, name: str, fields: Mapping[str, str], kind: Literal["rows", "keys"]
    ) -> Part | None:
        # A presigned address carries a secret.
        shown = address.partition("?")[0]

        async def once() -> Part | None:
            # Asked for gzip, a proxy may pack the packed file once more.
            headers = {"Accept-Encoding": "identity"}
            async with (
                self.session.stream("GET", address, headers=headers) as response,
                self.lake.new_part(self.prefix, name, kind=kind, format="csv") as part,
            ):
                file = GzipCsv(f"{self.table.name}: {shown}")
                first = True
                async for chunk in response.aiter_raw(_CHUNK):
                    if first and not chunk.startswith(_GZIP):
                        raise _no_file(shown, response, chunk)
                    first = False
                    await asyncio.to_thread(file.feed, chunk)
                    await part.write(chunk)
                    self.told(len(chunk))
                file.finish()
                if not file.header:
                    return None
                part.finish(header=header_of(file.header, self.table, fields), rows=file.rows)
            return part.part

        return await self.session.retrying(once)


def header_of(cells: tuple[str, ...], table: Table, fields: Mapping[str, str]) -> tuple[str, ...]:
    """The contract's name for each column of a file.

    Cells come as `Name`, or as `Account.Name` with the object before it; a parent's key stays `Account.Id`. Their
    order does not matter, and columns that nobody asked for keep their name.

    Args:
        fields: what was asked for, with its name in the query.

    Raises:
        UnreadableFile: a field that was asked for is not there, or twice.
    """
    own = f"{table.object}.".lower()
    asked = {text.lower(): field for field, text in fields.items()}
    asked[DELETED_COLUMN.lower()] = TOMBSTONE_FIELD
    header: list[str] = []
    for cell in cells:
        lower = cell.strip().lower()
        header.append(asked.get(lower) or asked.get(lower.removeprefix(own)) or cell.strip())
    seen = Counter(header)
    for what, wrong in (
        ("lacks", [field for field in fields if not seen[field]]),
        ("has twice", [field for field in fields if seen[field] > 1]),
    ):
        if wrong:
            raise UnreadableFile(
                f"{table.name}: the file {what} {', '.join(wrong)}; its header is {', '.join(cells)[:300]}",
                table=table.name,
                fields=tuple(wrong),
            )
    return tuple(header)


def _no_file(shown: str, response: httpx.Response, start: bytes) -> MgdwError:
    """What came in place of a file, with status 200: a web page, an error of the API, or anything."""
    answer = httpx.Response(response.status_code, content=start, request=response.request)
    text = " ".join(start[:300].decode("utf-8", "replace").split())
    return classify(answer) or UnreadableFile(f"zuora: {shown} is no gzip file, it says: {text}")
