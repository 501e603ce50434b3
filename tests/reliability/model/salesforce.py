"""Salesforce over a model table: login, limits, describe, updated, deleted, REST queries and Bulk API 2.0 queries."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx

from connectors.contract import DataType
from tests.reliability.model.effects import Answer
from tests.reliability.model.table import ModelTable

_TYPES = {
    DataType.STRING: "string", DataType.NUMERIC: "currency", DataType.INT64: "int", DataType.BOOL: "boolean",
    DataType.DATE: "date", DataType.TIMESTAMP: "datetime",
}  # fmt: skip
_QUERY = re.compile(r"(?is)SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY .+?)?(?: LIMIT \d+)?")
_CONDITION = re.compile(r"(?i)([\w.]+)\s*(>=|<=|!=|=|<|>)\s*('[^']*'|[^\s()]+)")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


class Refused(Exception):
    """An error answer: status, code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.answer = status, [{"errorCode": code, "message": message}]


@dataclass
class _Job:
    fields: list[str]
    where: str
    everything: bool
    records: list[list[str]]
    polls: int = 0
    state: str = "UploadComplete"
    query: str = ""


@dataclass
class SalesforceOrg:
    """One org with one object.

    Args:
        base: where describe reaches the org by a socket (`http://127.0.0.1:port`).
        secret: of the connected app.
        page_rows: rows a result page.
        lists_restored: the log of deletions still shows records that were restored since.
        mixes: how many of the next pages are answered with the first page again, as a confused cache does.
        retyped: another type than usual, by field.

    Attributes:
        calls: requests answered.
        pages: result pages there were.
    """

    model: ModelTable
    base: str
    secret: str
    token: str
    page_rows: int = 3
    lists_restored: bool = False
    mixes: int = 0
    retyped: dict[str, str] = field(default_factory=dict[str, str])
    calls: int = 0
    pages: int = 0
    _tokens: set[str] = field(default_factory=set[str])
    _jobs: dict[str, _Job] = field(default_factory=dict[str, _Job])
    _cursors: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    _issued: int = 0

    def expire(self) -> None:
        """Forget every token."""
        self._tokens.clear()

    def serve(self, method: str, path: str, query: dict[str, str], headers: httpx.Headers, body: bytes) -> Answer:
        """Answer one request."""
        self.calls += 1
        told = {
            "Date": format_datetime(self.model.now, usegmt=True),
            "Content-Type": "application/json",
            "Sforce-Limit-Info": "api-usage=18/15000",
        }
        try:
            status, extra, content = self._route(method, path, query, headers, body)
        except Refused as refused:
            status, answer = refused.answer
            extra, content = {}, answer
        if isinstance(content, bytes):
            return status, told | extra, content
        return status, told | extra, b"" if content is None else json.dumps(content).encode()

    def _route(
        self, method: str, path: str, query: dict[str, str], headers: httpx.Headers, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        if path == "/services/oauth2/token":
            return 200, {}, self._login(body)
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            raise Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
        name = self.model.table.object
        found = re.fullmatch(r"/services/data/v\d+\.0/(.*?)/?", path)
        where = found[1] if found else ""
        match method, where.split("/"):
            case "GET", ["limits"]:
                left = {"Max": 15000, "Remaining": 14000}
                return 200, {}, dict.fromkeys(("DailyApiRequests", "DailyBulkV2QueryJobs"), left)
            case "GET", ["sobjects", _, "describe"]:
                return 200, {}, self._describe()
            case "GET", ["sobjects", _, "updated"]:
                return 200, {}, self._updated(query)
            case "GET", ["sobjects", _, "deleted"]:
                return 200, {}, self._deleted(query)
            case "GET", ["query" | "queryAll" as verb]:
                return 200, {}, self._rest(query["q"], everything=verb == "queryAll")
            case "GET", ["query" | "queryAll", cursor]:
                return 200, {}, self._cursors[cursor]
            case "POST", ["jobs", "query"]:
                return 200, {}, self._create(json.loads(body))
            case "GET", ["jobs", "query"]:
                return 200, {}, {"done": True, "nextRecordsUrl": None, "records": [self._shown(i) for i in self._jobs]}
            case _, ["jobs", "query", job, *rest]:
                if job not in self._jobs:
                    raise Refused(404, "NOT_FOUND", "no such job")
                return self._job(method, path, job, rest, query, body, headers)
            case _:
                raise Refused(404, "NOT_FOUND", f"{method} {path} for {name}")

    def _login(self, body: bytes) -> dict[str, str]:
        if self.secret not in body.decode():
            raise Refused(400, "invalid_client", "wrong secret")
        self._issued += 1
        token = f"{self.token}-{self._issued}"
        self._tokens.add(token)
        return {"access_token": token, "instance_url": self.base, "token_type": "Bearer"}

    def _describe(self) -> dict[str, Any]:
        fields = [
            {
                "name": name, "type": self.retyped.get(name, _TYPES[kind]), "length": 80, "precision": 18, "scale": 2,
                "calculated": False, "relationshipName": None, "compoundFieldName": None, "nillable": True,
                "deprecatedAndHidden": False, "referenceTo": [],
            }
            for name, kind in self.model.columns().items()
        ]  # fmt: skip
        name = self.model.table.object
        return {"name": name, "fields": fields, "replicateable": True, "queryable": True, "retrieveable": True}

    def _updated(self, query: dict[str, str]) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        if start >= end:
            raise Refused(400, "INVALID_REPLICATION_DATE", "startDate must be before endDate")
        oldest = min((p.stamp for p in self.model.open.values()), default=end)
        rows = self.model.live().items()
        ids = [self.model.key(n) for n, row in rows if start <= row.stamp < end]
        return {"ids": ids, "latestDateCovered": _rest_stamp(min(oldest, end))}

    def _deleted(self, query: dict[str, str]) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        live = self.model.live()
        newest = {n: at for n, at in self.model.log if self.lists_restored or n not in live}
        records = [
            {"id": self.model.key(n), "deletedDate": _rest_stamp(at)} for n, at in newest.items() if start <= at < end
        ]
        return {"deletedRecords": records, "earliestDateAvailable": "2000-01-01T00:00:00.000+0000",
                "latestDateCovered": _rest_stamp(end)}  # fmt: skip

    def _rest(self, soql: str, *, everything: bool) -> dict[str, Any]:
        fields, where = self._parsed(soql)
        chosen = [n for n in self.model.rows if self._matches(n, where, everything=everything)]
        if [f.lower() for f in fields] == ["count()"]:
            return {"totalSize": len(chosen), "done": True, "records": []}
        records = [
            {"attributes": {"type": self.model.table.object}, **{f: _json(self._value(n, f)) for f in fields}}
            for n in chosen
        ]
        pages = [records[i : i + self.page_rows] for i in range(0, len(records), self.page_rows)] or [[]]
        self.pages += len(pages)
        pages = [pages[0] if self._mixed(i, len(page), self.page_rows) else page for i, page in enumerate(pages)]
        first: dict[str, Any] = {}
        for number, page in reversed(list(enumerate(pages))):
            shown: dict[str, Any] = {"totalSize": len(records), "done": not first, "records": page}
            if first:
                cursor = f"01g{len(self._cursors):06d}-{(number + 1) * self.page_rows}"
                self._cursors[cursor] = first
                shown["nextRecordsUrl"] = f"/services/data/v62.0/query/{cursor}"
            first = shown
        return first

    def _create(self, order: dict[str, Any]) -> dict[str, Any]:
        fields, where = self._parsed(order["query"])
        job = _Job(fields, where, order["operation"] == "queryAll", [], query=order["query"])
        # Chunks of the key run one after the other: half of the rows are read now, half when the job is looked at.
        self._read(job, 0)
        self._jobs[f"750{len(self._jobs):015d}"] = job
        return self._shown(list(self._jobs)[-1])

    def _read(self, job: _Job, chunk: int) -> None:
        for n in self.model.rows:
            if n % 2 == chunk and self._matches(n, job.where, everything=job.everything):
                job.records.append([_text(self._value(n, f)) for f in job.fields])

    def _shown(self, job_id: str) -> dict[str, Any]:
        job = self._jobs[job_id]
        return {
            "id": job_id, "operation": "queryAll", "object": self.model.table.object, "state": job.state,
            "apiVersion": 62.0, "numberRecordsProcessed": len(job.records), "jobType": "V2Query",
            "createdDate": _rest_stamp(self.model.second), "createdById": "005000000000001AAA",
            "concurrencyMode": "Parallel", "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA",
            "systemModstamp": _rest_stamp(self.model.second),
        }  # fmt: skip

    def _job(
        self, method: str, path: str, job_id: str, rest: list[str], query: dict[str, str], body: bytes,
        headers: httpx.Headers,
    ) -> tuple[int, dict[str, str], Any]:  # fmt: skip
        job = self._jobs[job_id]
        match method, rest:
            case "GET", []:
                job.polls += 1
                if job.polls == 1:
                    job.state = "InProgress"
                elif job.state == "InProgress":
                    self._read(job, 1)
                    job.state = "JobComplete"
                return 200, {}, self._shown(job_id)
            case "PATCH", []:
                job.state = "Aborted"
                return 200, {}, self._shown(job_id)
            case "DELETE", []:
                if job.state in ("UploadComplete", "InProgress"):
                    raise Refused(400, "INVALID_STATE", "the job is running")
                del self._jobs[job_id]
                return 204, {}, None
            case "GET", ["resultPages"]:
                starts = [*range(0, len(job.records), self.page_rows)] or [0]
                self.pages += len(starts)
                base = path.removesuffix("/").removesuffix("Pages") + "s"
                urls = [{"resultUrl": f"{base}?locator={start}"} for start in starts]
                return 200, {}, {"resultPages": urls, "done": True}
            case "GET", ["results"]:
                start = int(query.get("locator", 0))
                size = int(query.get("maxRecords", self.page_rows))
                return self._page(job, start, size, packed="gzip" in headers.get("Accept-Encoding", ""))
            case _:
                raise Refused(405, "METHOD_NOT_ALLOWED", path)

    def _page(self, job: _Job, start: int, size: int, *, packed: bool) -> tuple[int, dict[str, str], bytes]:
        rows = job.records[start : start + size]
        if self._mixed(start, len(rows), size):
            rows = job.records[:size]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(job.fields)
        writer.writerows(rows)
        following = str(start + size) if start + size < len(job.records) else "null"
        head = {"Sforce-NumberOfRecords": str(len(rows)), "Sforce-Locator": following, "Content-Type": "text/csv"}
        content = text.getvalue().encode()
        if packed:
            return 200, head | {"Content-Encoding": "gzip"}, gzip.compress(content, 1)
        return 200, head, content

    def _mixed(self, start: int, rows: int, size: int) -> bool:
        mixed = self.mixes > 0 and start > 0 and rows == size
        self.mixes -= mixed
        return mixed

    def _parsed(self, soql: str) -> tuple[list[str], str]:
        found = _QUERY.fullmatch(soql)
        if found is None:
            raise Refused(400, "MALFORMED_QUERY", f"cannot read {soql}")
        fields = [f.strip() for f in found[1].split(",")]
        known = {f.lower() for f in self.model.columns()} | {"count()"}
        asked = [*fields, *(c[0] for c in _CONDITION.findall(found[3] or ""))]
        strange = [f for f in asked if f.lower() not in known]
        if strange:
            raise Refused(400, "INVALID_FIELD", f"No such column '{strange[0]}' on entity '{found[2]}'")
        return fields, found[3] or ""

    def _matches(self, n: int, where: str, *, everything: bool) -> bool:
        if not everything and self.model.rows[n].deleted_at is not None:
            return False
        return all(
            _OPERATORS[operator](self._value(n, name), _literal(text))
            for name, operator, text in _CONDITION.findall(where)
        )

    def _value(self, n: int, name: str) -> Any:
        spelled = next(f for f in self.model.columns() if f.lower() == name.lower())
        return self.model.value(n, spelled)


def _literal(text: str) -> Any:
    if text.startswith("'"):
        return text.strip("'")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return datetime.fromisoformat(text) if "T" in text else Decimal(text)


def _rest_stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _json(value: Any) -> Any:
    match value:
        case None | bool() | str() | int():
            return value
        case datetime():
            return _rest_stamp(value)
        case date():
            return value.isoformat()
        case _:
            return float(value)
