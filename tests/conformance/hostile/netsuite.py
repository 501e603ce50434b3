"""A hostile NetSuite: SuiteQL over REST, over wares, in any shape."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.netsuite.errors import GrantError, RestError
from sandbox.netsuite.oauth import TokenIssuer
from tests.conformance.hostile.query import Query, QueryRefused, parse
from tests.conformance.hostile.server import Hostile, refused
from tests.conformance.hostile.text import text_of
from tests.conformance.ware import EPOCH, Row, Value, Ware, Wire


class HostileNetSuite(Hostile):
    """One account. Only the login is the sandbox's."""

    def __init__(self) -> None:
        super().__init__()
        self.credentials = NetSuiteCredentials()
        self.issuer = TokenIssuer(self.credentials)

    def app(self) -> Starlette:
        """Its endpoints."""
        return Starlette(
            routes=[
                Route("/services/rest/auth/oauth2/v1/token", self._token, methods=["POST"]),
                Route("/services/rest/query/v1/suiteql", self._suiteql, methods=["POST"]),
                Route("/services/rest/record/v1/metadata-catalog/{name}", self._catalog),
            ]
        )

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        try:
            issued = self.issuer.issue(form, str(request.url.replace(query="")))
        except GrantError as error:
            return refused(400, {"error": "invalid_grant", "echo": form.get("client_assertion"), "why": str(error)})
        return JSONResponse(issued)

    async def _catalog(self, request: Request) -> Response:
        if (problem := self._stranger(request)) is not None:
            return problem
        ware = self.ware(request.path_params["name"])
        if ware is None:
            return _error(404, "NONEXISTENT_ID", f"Record type {request.path_params['name']} does not exist.")
        properties = {name.lower(): {"type": "string", "nullable": True} for name in ware.all_fields}
        return JSONResponse({"type": "object", "properties": properties})

    async def _suiteql(self, request: Request) -> Response:
        if (problem := self._stranger(request)) is not None:
            return problem
        text = (await request.json())["q"]
        try:
            rows, total = self._answer(text, int(request.query_params.get("limit", 1000)))
        except QueryRefused as error:
            if error.field:
                return _error(400, "INVALID_PARAMETER", f"Invalid search query. Field '{error.field}' was not found.")
            return _error(400, "INVALID_PARAMETER", f"Invalid search query. {error}")
        return self._page(rows, total, request)

    def _stranger(self, request: Request) -> Response | None:
        try:
            self.issuer.check(request.headers.get("authorization", ""))
        except RestError:
            return _error(401, "INVALID_LOGIN", "Invalid login attempt.")
        return None

    def _answer(self, text: str, limit: int) -> tuple[list[str], int]:
        """JSON objects of one page, and how many rows the query has."""
        if "from dual" in text.lower():
            now = max((w.now for w in self.wares.values()), default=EPOCH).replace(tzinfo=None)
            clock = now.isoformat(" ", timespec="seconds")
            return [self._object([("account_time", clock), ("utc_time", clock)])], 1
        query = parse(self._ignoring_the_key(text))
        if query.object.lower() == "deletedrecord":
            found = self._deleted(query)
        else:
            ware = self.ware(query.object)
            if ware is None:
                raise QueryRefused(f"Record '{query.object}' was not found.")
            rows = query.rows(ware, deleted=False)
            if query.is_count:
                return [self._object([(query.items[0][1].lower(), str(len(rows) + self.shape.miscount))])], 1
            found = [self._row(ware, query, row) for row in rows]
        if self.shape.empty_pages:
            return [], len(found) + self.shape.miscount
        return found[: min(limit, self.shape.page_rows)], len(found) + self.shape.miscount

    def _ignoring_the_key(self, text: str) -> str:
        """With `repeat_page` every page is the first one."""
        if self.shape.repeat_page is None:
            return text
        return re.sub(r"(?i)(\band|\bwhere) id > \d+", r"\1 id > 0", text)

    def _deleted(self, query: Query) -> list[str]:
        log = Ware(next(iter(self.wares.values())).dialect, "DeletedRecord", "deleted", {})
        kinds = {w.object.lower() for w in self.wares.values()}
        wanted = " ".join(query.conditions).lower()
        found: list[tuple[int, datetime]] = []
        for ware in self.wares.values():
            if ware.object.lower() in kinds and f"'{ware.object.lower()}'" in wanted:
                found += ware.log
        conditions = tuple(
            c.replace("deleteddate", log.dialect.cursor or "").replace("recordid", log.dialect.key)
            for c in query.conditions
            if "type" not in c.lower()
        )
        for number, at in found:
            log.rows[number] = Row(number, {}, at)
        asked = Query("DeletedRecord", query.items, conditions, query.limit)
        return [
            self._object([("id", str(row.number)), ("deleteddate", text_of(row.stamp))])
            for row in asked.rows(log, deleted=True)
        ]

    def _row(self, ware: Ware, query: Query, row: Row) -> str:
        return self._object([(name.lower(), ware.value(row, field)) for field, name in query.fields(ware)])

    def _object(self, pairs: list[tuple[str, Value]]) -> str:
        parts = ['"links":[]']
        for name, value in pairs:
            if value is None and not self.shape.null_spelled:
                continue
            parts.append(f"{json.dumps(name)}:{self._value(value)}")
        return "{" + ",".join(parts) + "}"

    def _value(self, value: Value) -> str:
        match value:
            case None:
                return "null"
            case Wire(text=text, bare=True):
                return text
            case bool():
                return '"T"' if value else '"F"'
            case int() | Decimal():
                return json.dumps(text_of(value))
            case _:
                return json.dumps(text_of(value), ensure_ascii=self.shape.escaped)

    def _page(self, rows: list[str], total: int, request: Request) -> Response:
        head = {"links": [], "count": len(rows), "hasMore": len(rows) < total, "offset": 0, "totalResults": total}
        text = f'{json.dumps(head)[:-1]},"items":[{",".join(rows)}]}}'
        return self.body(("\ufeff" * self.shape.bom + text).encode(), request, media="application/json")


def _error(status: int, code: str, detail: str) -> Response:
    body: dict[str, Any] = {"title": "Error", "status": status}
    return refused(status, {**body, "o:errorDetails": [{"detail": detail, "o:errorCode": code}]})
