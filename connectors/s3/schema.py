"""Which fields the newest files have, compared with the contract."""

from __future__ import annotations

from connectors.batch import FileRef
from connectors.contract import Table
from connectors.errors import PermissionMissing, UnreadableFile
from connectors.s3.bucket import Bucket, FileChangedError
from connectors.s3.content import Content, Inspector, fields_at_start
from connectors.s3.delivery import Listing
from connectors.s3.parquet_footer import described, footer_bytes
from connectors.s3.reading import NotAsDeclaredError
from connectors.source import SchemaDrift

_HEAD = 256 << 10
"""Bytes of a text file that are read to see its fields."""
_MOST_FILES = 20
"""So many of the newest files are looked at: some may be unreadable, or without a row."""
_MOST_RECORDS = 5
"""So many files of JSON lines are looked at for all fields: a record leaves out what is null."""


async def schema_drift(bucket: Bucket, table: Table, listing: Listing) -> SchemaDrift:
    """Compare the newest readable file with the contract; of JSON lines, as many of them as it takes to see all fields.

    A file that cannot be read is passed over: copying it tells what is wrong, without keeping the others waiting.
    """
    found: dict[str, str] = {}
    types: dict[str, str] = {}
    read = 0
    for file in listing.newest_first[:_MOST_FILES]:
        try:
            content = await _content(bucket, table, file)
        except (FileChangedError, UnreadableFile, PermissionMissing):
            continue
        for field in content.header:
            found.setdefault(field.casefold(), field)
        types = {**content.types, **types}
        read += 1
        if table.format != "jsonl" or read == _MOST_RECORDS or all(f.casefold() in found for f in table.fields):
            break
    if not found:
        return SchemaDrift(table.name, is_known=False)
    named = {field.casefold() for field in table.fields}
    return SchemaDrift(
        table.name,
        missing=tuple(field for field in table.fields if field.casefold() not in found),
        added=tuple(field for folded, field in found.items() if folded not in named),
        types=types,
    )


async def _content(bucket: Bucket, table: Table, file: FileRef) -> Content:
    if table.format == "parquet":
        return await _footer(bucket, table, file)
    start = b"".join([chunk async for chunk in bucket.read(file, first_bytes=_HEAD)])
    return Content(fields_at_start(table, file.key, start, whole=len(start) == file.size), None)


async def _footer(bucket: Bucket, table: Table, file: FileRef) -> Content:
    try:
        end = await bucket.end(file, _HEAD)
        wanted = footer_bytes(end)
        if len(end) < wanted <= file.size:
            end = await bucket.end(file, wanted)
        return described(table, end, file.size)
    except NotAsDeclaredError as error:
        raise Inspector(table, file.key).unreadable(error.reason, error.remedy) from None
