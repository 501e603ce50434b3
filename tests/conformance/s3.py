"""Usage files on S3 in the conformance suite.

A hostile sender uses the same bucket, and writes its files as nobody should. Rows lie in files of a few rows each; a
row that changes makes its file be delivered again, a deleted row is left out of it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.contract import DataType
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from sandbox.s3 import S3Server
from sandbox.server import Servers
from tests.conformance.hostile.server import Shape
from tests.conformance.hostile.text import csv_text, text_of
from tests.conformance.station import PAGE, Server, Station
from tests.conformance.ware import Dialect, Row, Value, Ware, Wire

_DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_EXPIRED = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"


@dataclass(frozen=True)
class Sent:
    """One file as delivered."""

    key: str
    body: bytes
    last_modified: datetime


class S3Station(Station):
    """A bucket with one prefix of CSV files."""

    source = "s3"
    dialect = Dialect("s3", "Id", None, key_text="k{:06d}", format="csv")
    plain_object = "ware/usage/"
    data_call: ClassVar[str] = r"GET /usage-delivery-\w+/.+"

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.shape = Shape(page_rows=PAGE)
        self.delivered: dict[str, bytes] = {}

    def new_ware(self, fields: dict[str, DataType]) -> Ware:
        """The prefix is the object."""
        return Ware(self.dialect, self.plain_object, "group" if self.server == "hostile" else "s3_ware", fields)

    @contextmanager
    def open(self) -> Iterator[Station]:
        """Serve the bucket."""
        with S3Server(faults=self.faults) as self._bucket:
            yield self

    def serve(self, servers: Servers) -> None:
        """The bucket serves itself."""

    def show(self) -> None:
        """Deliver every file whose content changed."""
        numbers = sorted(self.ware.rows) or [1]
        for group in sorted({(n - 1) // self.shape.page_rows for n in numbers}):
            rows = [row for n, row in sorted(self.ware.rows.items()) if (n - 1) // self.shape.page_rows == group]
            body = self._body([row for row in rows if row.deleted_at is None])
            stem = f"{self.ware.object}{self._folder(group)}part-{group:05d}.{self.dialect.format}"
            key = f"{stem}.gz" if self.shape.gzip else stem
            if self.delivered.get(key) != body:
                when = max((row.stamp for row in rows), default=self.ware.now)
                packed = gzip.compress(body, mtime=0) if self.shape.gzip else body
                self._bucket.deliver([Sent(key, packed, when)])
                self.delivered[key] = body

    def start_over(self) -> None:
        """Withdraw everything."""
        for key in self.delivered:
            self._bucket.withdraw(key)
        self.delivered.clear()

    def deliver(self, key: str, body: bytes) -> None:
        """Deliver one more file, as it is."""
        self._bucket.deliver([Sent(f"{self.ware.object}{key}", body, self.ware.now)])

    def connect(self, **changes: Any) -> S3Source:
        """A source with this bucket's settings; it hardly waits."""
        access, secret = self._bucket.credentials
        given: dict[str, Any] = {
            "bucket": self._bucket.bucket, "endpoint_url": self._bucket.url, "access_key_id": access,
            "secret_access_key": SecretStr(secret), "retries": 3, "retry_seconds": 3,
        }  # fmt: skip
        return S3Source(S3Settings(**{**given, **changes}))

    def stranger(self) -> tuple[S3Source, list[str]]:
        """A source with a wrong secret."""
        wrong = "wrong-secret-4711-s3"
        return self.connect(secret_access_key=SecretStr(wrong)), [wrong, self._bucket.credentials[1]]

    def forbid(self) -> None:
        """No access to anything."""
        self.faults.arm(r"GET /usage-delivery", times=None, status=403, body=_DENIED)

    def lose_a_row(self) -> None:
        """The sender's gzip ended early."""
        whole = gzip.compress(self._body(self.ware.living), mtime=0)
        for key in self.delivered:
            self._bucket.deliver([Sent(key, whole[: len(whole) * 2 // 3], self.ware.now)])

    def expire(self) -> None:
        """Temporary keys have come to their end."""
        self.faults.arm(r"GET /usage-delivery", times=None, status=400, body=_EXPIRED)

    def _folder(self, group: int) -> str:
        return f"dt=2026-06-{group + 1:02d}/" if self.server == "hostile" and group < 28 else ""

    def _body(self, rows: list[Row]) -> bytes:
        ware, shape = self.ware, self.shape
        fields = list(ware.all_fields)
        return csv_text(
            fields, [[text_of(ware.value(row, f)) for f in fields] for row in rows],
            line_end=shape.line_end, quote_all=shape.quote_all, bom=shape.bom,
        )  # fmt: skip


class S3JsonStation(S3Station):
    """The same with JSON lines."""

    dialect = Dialect("s3", "Id", None, key_text="k{:06d}", format="jsonl")
    says_json = True

    def _body(self, rows: list[Row]) -> bytes:
        ware = self.ware
        lines = [
            "{" + ",".join(f"{json.dumps(f)}:{self._json(ware.value(row, f))}" for f in ware.all_fields) + "}"
            for row in rows
        ]
        text = ("\ufeff" if self.shape.bom else "") + "".join(line + self.shape.line_end for line in lines)
        # Without a byte it would count as a delivery that went wrong, and the rows it had before would stay.
        return (text or self.shape.line_end).encode()

    def _json(self, value: Value) -> str:
        match value:
            case None:
                return "null"
            case Wire(text=text, bare=True):
                return text
            case bool():
                return "true" if value else "false"
            case int():
                return str(value)
            case _:
                return json.dumps(text_of(value), ensure_ascii=self.shape.escaped)
