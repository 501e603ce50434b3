"""Usage files as the brands' senders write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Table
from connectors.errors import MgdwError
from connectors.lake.local import LocalLake
from connectors.s3.source import S3Source

DAY = datetime(2026, 6, 1, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """One file as delivered."""

    key: str
    body: bytes
    last_modified: datetime


def csv_body(table: Table, accounts: list[str], *, day: str = "2026-05-31", quoted: bool = False) -> bytes:
    """One row per account; every count is 1."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(table.fields)
    writer.writerows([_value(table, field, account, day) for field in table.fields] for account in accounts)
    return out.getvalue().encode()


def jsonl_body(table: Table, accounts: list[str], *, day: str = "2026-05-31") -> bytes:
    """One record per account; every count is 1."""
    records = ({field: _value(table, field, account, day) for field in table.fields} for account in accounts)
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _value(table: Table, field: str, account: str, day: str) -> str | int:
    special: dict[str, str] = {"usage_date": day, "account_number": account, "brand_code": "CM"}
    if field in special:
        return special[field]
    return 1 if table.column(field).type in ("INT64", "NUMERIC") else ""


def sent(key: str, body: bytes, *, day: int = 0, packed: bool = True) -> Sent:
    """A file delivered `day` days after the first."""
    return Sent(key, gzip.compress(body, mtime=0) if packed else body, DAY + timedelta(days=day))


async def extracted(source: S3Source, requests: list[BatchRequest], lake: LocalLake) -> list[Manifest]:
    """All manifests of the requests, in the order they were committed."""
    return [manifest async for manifest in source.extract(requests, lake)]


async def failures(
    source: S3Source, requests: list[BatchRequest], lake: LocalLake
) -> tuple[list[Manifest], list[MgdwError]]:
    """What was committed, and the errors at the end."""
    manifests: list[Manifest] = []
    with pytest.raises(ExceptionGroup) as caught:
        async for manifest in source.extract(requests, lake):
            manifests.append(manifest)  # noqa: PERF401 - kept when the loop ends in an error
    return manifests, [error for error in caught.value.exceptions if isinstance(error, MgdwError)]
