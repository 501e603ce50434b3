"""A hostile Salesforce: the calls of a bulk query, over wares, in any shape."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.contract import DataType
from tests.conformance.hostile.query import Query, QueryRefused, instant, parse
from tests.conformance.hostile.server import Hostile, refused
from tests.conformance.hostile.text import csv_text, text_of
from tests.conformance.ware import Row, Value, Ware, Wire

CLIENT, SECRET = "hostile-client-0001", "hostile-secret-salesforce-9f2c"
_TYPES = {
    DataType.STRING: "string", DataType.INT64: "long", DataType.NUMERIC: "double", DataType.BOOL: "boolean",
    DataType.DATE: "date", DataType.TIMESTAMP: "datetime",
}  # fmt: skip
_DATA = "/services/data/v{version}"


class HostileSalesforce(Hostile):
    """One org."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, tuple[Ware, Query, list[list[Row]], int]] = {}

    def app(self) -> Starlette:
        """Its endpoints."""
        return Starlette(
            routes=[
                Route("/services/oauth2/token", self._token, methods=["POST"]),
                Route(f"{_DATA}/limits", self._guarded(self._limits)),
                Route(f"{_DATA}/limits/", self._guarded(self._limits)),
                Route(f"{_DATA}/limits/recordCount", self._guarded(self._record_count)),
                Route(f"{_DATA}/sobjects/{{name}}/describe", self._guarded(self._describe)),
                Route(f"{_DATA}/sobjects/{{name}}/updated/", self._guarded(self._updated)),
                Route(f"{_DATA}/sobjects/{{name}}/deleted/", self._guarded(self._deleted)),
                Route(f"{_DATA}/query", self._guarded(self._query)),
                Route(f"{_DATA}/query/", self._guarded(self._query)),
                Route(f"{_DATA}/queryAll", self._guarded(self._query)),
                Route(f"{_DATA}/queryAll/", self._guarded(self._query)),
                Route(f"{_DATA}/query/{{locator}}", self._guarded(self._more)),
                Route(f"{_DATA}/queryAll/{{locator}}", self._guarded(self._more)),
                Route(f"{_DATA}/jobs/query", self._guarded(self._create), methods=["POST"]),
                Route(f"{_DATA}/jobs/query/{{job}}", self._guarded(self._job), methods=["GET", "PATCH", "DELETE"]),
                Route(f"{_DATA}/jobs/query/{{job}}/resultPages", self._guarded(self._result_pages)),
                Route(f"{_DATA}/jobs/query/{{job}}/results", self._guarded(self._results)),
            ]
        )

    def _guarded(self, handler: Any) -> Any:
        async def guarded(request: Request) -> Response:
            if not self.is_known(request):
                return refused(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
            return await handler(request)

        return guarded

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            text = f"invalid client credentials: {form.get('client_secret')}"
            return refused(400, {"error": "invalid_client", "error_description": text})
        url = str(request.base_url).rstrip("/")
        return JSONResponse({"access_token": self.log_in(), "instance_url": url, "token_type": "Bearer"})

    async def _limits(self, request: Request) -> Response:
        return self._json({}, request)

    async def _record_count(self, request: Request) -> Response:
        names = request.query_params["sObjects"].split(",")
        found = [(name, self.ware(name)) for name in names]
        return self._json({"sObjects": [{"name": n, "count": len(w.living)} for n, w in found if w]}, request)

    async def _describe(self, request: Request) -> Response:
        ware = self.ware(request.path_params["name"])
        if ware is None:
            return refused(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
        fields = [
            {
                "name": name, "type": "id" if name == ware.dialect.key else _TYPES[of], "length": 255, "precision": 38,
                "scale": 9, "digits": 19, "relationshipName": None, "referenceTo": [], "compoundFieldName": None,
                "calculated": False, "nillable": True, "soapType": "xsd:string", "filterable": True,
            }
            for name, of in ware.all_fields.items()
        ]  # fmt: skip
        return JSONResponse({"name": ware.object, "replicateable": True, "queryable": True, "fields": fields})

    async def _updated(self, request: Request) -> Response:
        ware = self.ware(request.path_params["name"])
        assert ware is not None
        return self._json({"ids": [], "latestDateCovered": f"{ware.now:%Y-%m-%dT%H:%M:%S}.000+0000"}, request)

    async def _deleted(self, request: Request) -> Response:
        ware = self.ware(request.path_params["name"])
        assert ware is not None
        start, end = (instant(request.query_params[name]) for name in ("start", "end"))
        records = [
            {"id": ware.dialect.key_of(number), "deletedDate": f"{at:%Y-%m-%dT%H:%M:%S}.000+0000"}
            for number, at in ware.log
            if start <= at <= end
        ]
        return self._json(
            {
                "deletedRecords": records,
                "earliestDateAvailable": f"{ware.now - timedelta(days=15):%Y-%m-%dT%H:%M:%S}.000+0000",
                "latestDateCovered": f"{ware.now:%Y-%m-%dT%H:%M:%S}.000+0000",
            },
            request,
        )

    async def _query(self, request: Request) -> Response:
        try:
            ware, query = self._parsed(request.query_params["q"])
        except QueryRefused as error:
            return _refusal(error)
        rows = query.rows(ware, deleted="queryAll" in request.url.path)
        total = len(rows) + self.shape.miscount
        cursor = f"01g{secrets.token_hex(6)}AAA"
        self.jobs[cursor] = (ware, query, [[]] if query.is_count else self.pages(rows), total)
        return self._records(cursor, 0, request)

    async def _more(self, request: Request) -> Response:
        cursor, _, number = request.path_params["locator"].rpartition("-")
        return self._records(cursor, int(number), request)

    def _records(self, cursor: str, number: int, request: Request) -> Response:
        ware, query, pages, total = self.jobs[cursor]
        records = ",".join(self._record(ware, query, row) for row in pages[number])
        head: dict[str, Any] = {"totalSize": total, "done": number + 1 == len(pages)}
        if not head["done"]:
            kind = "queryAll" if "queryAll" in request.url.path else "query"
            base = request.url.path.partition(f"/{kind}")[0]
            head["nextRecordsUrl"] = f"{base}/{kind}/{cursor}-{number + 1}"
        text = ("\ufeff" if self.shape.bom else "") + f'{json.dumps(head)[:-1]},"records":[{records}]}}'
        return self.body(text.encode(), request, media="application/json")

    def _record(self, ware: Ware, query: Query, row: Row) -> str:
        shown = [(n.upper() if self.shape.upper_header else n, ware.value(row, f)) for f, n in query.fields(ware)]
        kind = json.dumps({"type": ware.object, "url": "/services/data"}, separators=(",", ":"))
        return f'{{"attributes":{kind},' + ",".join(f"{json.dumps(n)}:{self._value(v)}" for n, v in shown) + "}"

    def _value(self, value: Value) -> str:
        match value:
            case None | "":
                return "null"
            case Wire(text=text, bare=True):
                return text
            case bool():
                return "true" if value else "false"
            case int() | Decimal():
                return str(text_of(value))
            case datetime():
                return json.dumps(str(text_of(value)).removesuffix("Z") + "+0000")
            case _:
                return json.dumps(text_of(value), ensure_ascii=self.shape.escaped)

    async def _create(self, request: Request) -> Response:
        order = await request.json()
        try:
            ware, query = self._parsed(order["query"])
            query.fields(ware)
            rows = query.rows(ware, deleted=order["operation"] == "queryAll")
        except QueryRefused as error:
            return _refusal(error)
        job = f"750{secrets.token_hex(6)}AAA"
        self.jobs[job] = (ware, query, self.pages(rows), len(rows) + self.shape.miscount)
        return JSONResponse({"id": job, "state": "UploadComplete", "object": ware.object, "operation": "queryAll"})

    async def _job(self, request: Request) -> Response:
        job = request.path_params["job"]
        if request.method == "DELETE":
            self.jobs.pop(job, None)
            return Response(status_code=204)
        return self._json({"id": job, "state": "JobComplete", "numberRecordsProcessed": self.jobs[job][3]}, request)

    async def _result_pages(self, request: Request) -> Response:
        path = request.url.path.removesuffix("resultPages")
        _, _, pages, _ = self.jobs[request.path_params["job"]]
        urls = [{"resultUrl": f"{path}results?locator={n}"} for n in range(len(pages))]
        first = int(request.query_params.get("from", 0))
        body: dict[str, Any] = {"resultPages": urls[first : first + 5], "done": first + 5 >= len(urls)}
        if not body["done"]:
            body["nextRecordUrl"] = f"{path}resultPages?from={first + 5}"
        return self._json(body, request)

    async def _results(self, request: Request) -> Response:
        ware, query, pages, _ = self.jobs[request.path_params["job"]]
        number = int(request.query_params.get("locator", 0))
        fields, shape = query.fields(ware), self.shape
        body = csv_text(
            [name.upper() if shape.upper_header else name for _, name in fields],
            [[text_of(ware.value(row, field)) or "" for field, _ in fields] for row in pages[number]],
            line_end=shape.line_end, quote_all=shape.quote_all, bom=shape.bom,
        )  # fmt: skip
        headers = {
            "Sforce-NumberOfRecords": str(len(pages[number])),
            "Sforce-Locator": str(number + 1) if number + 1 < len(pages) else "null",
        }
        return self.body(body, request, media="text/csv", headers=headers)

    def _parsed(self, soql: str) -> tuple[Ware, Query]:
        query = parse(soql)
        ware = self.ware(query.object)
        if ware is None:
            raise QueryRefused(f"sObject type '{query.object}' is not supported.")
        return ware, query

    def _json(self, body: Any, request: Request) -> Response:
        text = ("\ufeff" if self.shape.bom else "") + json.dumps(body)
        return Response(text.encode(), media_type="application/json")


def _refusal(error: QueryRefused) -> Response:
    if error.field:
        return refused(400, [{"errorCode": "INVALID_FIELD", "message": f"No such column '{error.field}' on entity"}])
    return refused(400, [{"errorCode": "INVALID_TYPE", "message": str(error)}])
