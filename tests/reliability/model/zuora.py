"""Zuora over a model table: login, describe, AQuA jobs and their files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from connectors.contract import DataType
from tests.reliability.model.effects import Answer
from tests.reliability.model.table import ModelTable

_TYPES = {
    DataType.STRING: "text", DataType.NUMERIC: "decimal", DataType.INT64: "integer", DataType.BOOL: "boolean",
    DataType.DATE: "date", DataType.TIMESTAMP: "datetime",
}  # fmt: skip
_QUERY = re.compile(r"(?is)select (.+?) from (\w+)(?: where (.+))?")
_CONDITION = re.compile(r"(?i)([\w.]+)\s*(>=|<=|=|<|>)\s*'([^']*)'")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
}  # fmt: skip
PACIFIC = ZoneInfo("America/Los_Angeles")


@dataclass
class _Job:
    request: dict[str, Any]
    polls: int = 0
    status: str = "submitted"
    batches: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass
class ZuoraTenant:
    """One tenant with one object.

    Args:
        shows_deletes: the tenant gives deleted rows in stateless jobs.
        mixes: how many of the next files hold what the first one holds.
        segment_rows: rows a result file.
    """

    model: ModelTable
    secret: str
    token: str
    shows_deletes: bool = True
    mixes: int = 0
    segment_rows: int = 3
    retyped: dict[str, str] = field(default_factory=dict[str, str])
    calls: int = 0
    pages: int = 0
    _tokens: set[str] = field(default_factory=set[str])
    _jobs: dict[str, _Job] = field(default_factory=dict[str, _Job])
    _files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _issued: int = 0

    def expire(self) -> None:
        """Forget every token."""
        self._tokens.clear()

    def serve(self, method: str, path: str, query: dict[str, str], headers: httpx.Headers, body: bytes) -> Answer:
        """Answer one request."""
        self.calls += 1
        told = {"Date": format_datetime(self.model.now, usegmt=True), "Content-Type": "application/json"}
        if path == "/oauth/token":
            return 200, told, json.dumps(self._login(body)).encode()
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            refusal = {"success": False, "reasons": [{"code": 90000011, "message": "this token is not valid"}]}
            return 401, told, json.dumps(refusal).encode()
        match method, path.strip("/").split("/"):
            case "GET", ["v1", "describe", _]:
                return 200, told | {"Content-Type": "text/xml"}, self._describe()
            case "POST", ["v1", "batch-query"]:
                answer = self._submit(json.loads(body))
            case "GET", ["v1", "batch-query", "jobs", job]:
                answer = self._look(job)
            case "DELETE", ["v1", "batch-query", "jobs", job]:
                self._jobs[job].status = "cancelled"
                answer = self._shown(job)
            case "GET", ["v1", "file" | "files", name]:
                return 200, told | {"Content-Type": "application/x-gzip"}, self._files[name]
            case _:
                return 404, told, b"{}"
        return 200, told, json.dumps(answer).encode()

    def _login(self, body: bytes) -> dict[str, Any]:
        assert self.secret in body.decode()
        self._issued += 1
        token = f"{self.token}-{self._issued}"
        self._tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "expires_in": 3599}

    def _describe(self) -> bytes:
        fields = "".join(
            f"<field><name>{name}</name><label>{name}</label><selectable>true</selectable>"
            f"<maxlength>255</maxlength><required>false</required><type>{self.retyped.get(name, _TYPES[kind])}</type>"
            "<contexts><context>soap</context><context>export</context></contexts></field>"
            for name, kind in self.model.columns().items()
        )
        name = self.model.table.object
        return f"<object><name>{name}</name><fields>{fields}</fields><related-objects/></object>".encode()

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        if not self.shows_deletes and any("deleted" in q for q in request["queries"]):
            return {"errorCode": "90012", "message": "The deleted column is not supported in stateless mode."}
        job_id = f"2c92c0f9{len(self._jobs):024d}"
        self._jobs[job_id] = _Job(request)
        return self._shown(job_id)

    def _look(self, job_id: str) -> dict[str, Any]:
        job = self._jobs[job_id]
        job.polls += 1
        if job.polls == 1:
            job.status = "executing"
        elif job.status == "executing":
            # One transaction: every query sees the state of this moment.
            job.batches = [self._run(q, job.request.get("nullReplacement", "")) for q in job.request["queries"]]
            job.status = "completed"
        return self._shown(job_id)

    def _shown(self, job_id: str) -> dict[str, Any]:
        job = self._jobs[job_id]
        names = [{"name": q["name"], "status": "executing"} for q in job.request["queries"]]
        return {"id": job_id, "status": job.status, "name": "mg-dw", "version": "1.1", "format": "gzip",
                "batches": job.batches or names}  # fmt: skip

    def _run(self, query: dict[str, Any], null: str) -> dict[str, Any]:
        batch = {"name": query["name"], "batchId": query["name"], "batchType": "zoqlexport", "query": query["query"]}
        found = _QUERY.fullmatch(query["query"])
        assert found is not None, query["query"]
        fields = [f.strip() for f in found[1].split(",")]
        known = {f.lower(): f for f in self.model.columns()}
        strange = [f for f in fields if f.lower() not in known]
        if strange:
            return batch | {"status": "aborted", "message": f"There is no field named {strange[0]}."}
        deleted = query.get("deleted")
        conditions = [
            (known[n.lower()], op, datetime.fromisoformat(v)) for n, op, v in _CONDITION.findall(found[3] or "")
        ]
        rows = [
            [_text(self.model.value(n, known[f.lower()]), null) for f in fields]
            + ([str(row.deleted_at is not None).lower()] if deleted else [])
            for n, row in self.model.rows.items()
            if (deleted or row.deleted_at is None)
            and all(_OPERATORS[op](self.model.value(n, f), value) for f, op, value in conditions)
        ]
        header = [f"{found[2]}.{known[f.lower()]}" for f in fields] + ([deleted["column"]] if deleted else [])
        segments = [rows[i : i + self.segment_rows] for i in range(0, len(rows), self.segment_rows)] or [[]]
        self.pages += len(segments)
        for i, segment in enumerate(segments):
            if self.mixes and i and len(segment) == len(segments[0]):
                segments[i] = segments[0]
                self.mixes -= 1
        names = [self._store(header, segment) for segment in segments]
        where = {"fileId": names[0]} if len(names) == 1 else {"segments": names}
        return batch | {"status": "completed", "recordCount": len(rows)} | where

    def _store(self, header: list[str], rows: list[list[str]]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        name = f"8a{len(self._files):030d}"
        self._files[name] = gzip.compress(text.getvalue().encode(), 1)
        return name


def _text(value: Any, null: str) -> str:
    match value:
        case None:
            return null
        case bool():
            return "true" if value else "false"
        case datetime():
            local = value.astimezone(PACIFIC)
            if (local.hour, local.minute, local.second) == (0, 0, 0):
                return f"{local:%Y-%m-%d}"
            return f"{value:%Y-%m-%dT%H:%M:%S}+0000"
        case date():
            return value.isoformat()
        case _:
            return str(value)
