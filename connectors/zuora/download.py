"""Result files to the lake: the gzip bytes as Zuora stores them, looked through on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.batch import Part
from connectors.contract import Table
from connectors.errors import CountMismatch, MgdwError, SourceUnavailable, UnreadableFile
from connectors.http import HttpSession
from connectors.lake import Lake
from connectors.zuora.aqua import DELETED_COLUMN, QueryResult
from connectors.zuora.csv_file import GzipCsv

TOMBSTONE_FIELD = "_deleted"
"""How the deleted column is called in a part's header; its text is `true` or `false`."""
_CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Download:
    """Fetches the files of one query.

    Args:
        expressions: how the query names each field of the contract.
        told: called with the bytes of each chunk written.
    """

    session: HttpSession
    lake: Lake
    prefix: str
    table: Table
    expressions: Mapping[str, str]
    told: Callable[[int], None]

    async def parts(self, result: QueryResult) -> list[Part]:
        """Write every file as a part.

        Raises:
            CountMismatch: the files hold other rows than Zuora counted.
            UnreadableFile: a file is no gzipped CSV with the fields of the contract.
            TruncatedBody: a file ended early, also when tried again.
        """
        parts = [await self._part(file, index) for index, file in enumerate(result.files)]
        received = sum(part.rows or 0 for part in parts)
        if received != result.rows:
            raise CountMismatch(
                f"{self.table.name}: zuora counted {result.rows} rows, the files hold {received}",
                expected=result.rows,
                received=received,
            )
        return parts

    async def _part(self, file_id: str, index: int) -> Part:
        async def once() -> Part:
            name = f"rows-{index:05d}.csv.gz"
            # Asked for gzip, a proxy may pack the packed file once more.
            headers = {"Accept-Encoding": "identity"}
            async with (
                self.session.stream("GET", f"/v1/file/{file_id}", headers=headers) as response,
                self.lake.new_part(self.prefix, name, kind="rows", format="csv") as part,
            ):
                file = GzipCsv()
                first = True
                async for chunk in response.aiter_raw(_CHUNK):
                    if first and not chunk.startswith(_GZIP):
                        raise _no_file(file_id, response.status_code, chunk)
                    first = False
                    await asyncio.to_thread(file.feed, chunk)
                    await part.write(chunk)
                    self.told(len(chunk))
                file.finish()
                part.finish(header=header_of(file.header, self.table, self.expressions), rows=file.rows)
            return part.part

        return await self.session.retrying(once)


def header_of(cells: tuple[str, ...], table: Table, expressions: Mapping[str, str]) -> tuple[str, ...]:
    """The contract's name for each column of a file.

    Cells come as `Name`, or as `Account.Name` with the object before it; a parent's key stays `Account.Id`.

    Raises:
        UnreadableFile: a field that was asked for is not there.
    """
    own = f"{table.object}.".lower()
    asked = {expression.lower(): field for field, expression in expressions.items()}
    asked.setdefault(DELETED_COLUMN.lower(), TOMBSTONE_FIELD)
    header: list[str] = []
    for cell in cells:
        lower = cell.strip().lower()
        header.append(asked.get(lower) or asked.get(lower.removeprefix(own)) or cell.strip())
    missing = [field for field in table.fields if field not in header]
    if missing:
        raise UnreadableFile(
            f"{table.name}: the file lacks {', '.join(missing)}; its header is {', '.join(cells)[:300]}",
            table=table.name,
            fields=tuple(missing),
        )
    return tuple(header)


def _no_file(file_id: str, status: int, start: bytes) -> MgdwError:
    text = " ".join(start[:300].decode("utf-8", "replace").split())
    if start.lstrip()[:1] == b"<":
        return SourceUnavailable(f"zuora: file {file_id} answered with a web page: {text}", status=status)
    return UnreadableFile(f"zuora: file {file_id} is no gzip file, it says: {text}", status=status)
