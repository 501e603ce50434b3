"""A hostile Zuora: AQuA jobs over wares, in any shape."""

from __future__ import annotations

import gzip
import json
import secrets
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.contract import DataType
from tests.conformance.hostile.query import QueryRefused, parse
from tests.conformance.hostile.server import HTML, Hostile, refused
from tests.conformance.hostile.text import csv_text, text_of

CLIENT, SECRET = "hostile-zuora-client-00000000000000000001", "hostile-secret-zuora-77aa01"
_TYPES = {
    DataType.STRING: "text", DataType.INT64: "integer", DataType.NUMERIC: "decimal", DataType.BOOL: "boolean",
    DataType.DATE: "date", DataType.TIMESTAMP: "datetime",
}  # fmt: skip


class HostileZuora(Hostile):
    """One tenant."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}

    def app(self) -> Starlette:
        """Its endpoints."""
        return Starlette(
            routes=[
                Route("/oauth/token", self._token, methods=["POST"]),
                Route("/v1/describe/{name}", self._guarded(self._describe)),
                Route("/v1/batch-query/", self._guarded(self._submit), methods=["POST"]),
                Route("/v1/batch-query/jobs/{job}", self._guarded(self._job), methods=["GET", "DELETE"]),
                Route("/v1/file/{file}", self._guarded(self._file)),
            ]
        )

    def _guarded(self, handler: Any) -> Any:
        async def guarded(request: Request) -> Response:
            if not self.is_known(request):
                reasons = [{"code": 90000011, "message": "Authentication error"}]
                return refused(401, {"success": False, "reasons": reasons})
            return await handler(request)

        return guarded

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return refused(401, {"reason": "Invalid client", "echo": form.get("client_secret")})
        return JSONResponse({"access_token": self.log_in(), "expires_in": 3599, "token_type": "bearer"})

    async def _describe(self, request: Request) -> Response:
        ware = self.ware(request.path_params["name"])
        if ware is None:
            return Response("<error>no such object</error>", status_code=404, media_type="application/xml")
        fields = "".join(
            f"<field><name>{escape(name)}</name><type>{_TYPES[of]}</type><selectable>true</selectable>"
            "<contexts><context>soap</context><context>export</context></contexts></field>"
            for name, of in ware.all_fields.items()
        )
        text = f"<object><name>{ware.object}</name><fields>{fields}</fields><related-objects/></object>"
        bom = "\ufeff" if self.shape.bom else ""
        return Response((bom + text).encode(), media_type="application/xml")

    async def _submit(self, request: Request) -> Response:
        order = await request.json()
        job = f"job-{secrets.token_hex(16)}"
        try:
            made = [self._run(query, order) for query in order["queries"]]
        except QueryRefused as error:
            return JSONResponse({"errorCode": "90005", "message": f"The query is invalid. {error}"})
        self.jobs[job] = {"id": job, "status": "completed", "batches": [batch for batch in made if batch]}
        return self._json({"id": job, "status": "submitted", "batches": []})

    def _run(self, asked: dict[str, Any], order: dict[str, Any]) -> dict[str, Any] | None:
        query = parse(asked["query"])
        if query.object in self.forbidden:
            return None
        ware, shape = self.ware(query.object), self.shape
        if ware is None:
            raise QueryRefused(f"There is no object named {query.object}")
        flag = asked.get("deleted")
        rows = query.rows(ware, deleted=flag is not None)
        fields = query.fields(ware)
        header = [name.upper() if shape.upper_header else name for _, name in fields]
        files: list[str] = []
        for page in self.pages(rows):
            cells = [[text_of(ware.value(row, field)) for field, _ in fields] for row in page]
            if flag:
                cells = [[*c, str(row.deleted_at is not None).lower()] for c, row in zip(cells, page, strict=True)]
            body = csv_text(
                [*header, flag["column"]] if flag else header, cells, null=order.get("nullReplacement", ""),
                line_end=shape.line_end, quote_all=shape.quote_all, bom=shape.bom,
            )  # fmt: skip
            name = secrets.token_hex(16)
            self.files[name] = gzip.compress(body, 1) if order["format"] == "gzip" else body
            files.append(name)
        found = {"name": asked["name"], "status": "completed", "recordCount": len(rows) + shape.miscount}
        return {**found, "segments": files} if len(files) > 1 else {**found, "fileId": files[0]}

    async def _job(self, request: Request) -> Response:
        return self._json(self.jobs[request.path_params["job"]])

    async def _file(self, request: Request) -> Response:
        if self.shape.html > 0:
            self.shape.html -= 1
            return Response(HTML, media_type="text/html")
        # A file that is packed already is not packed again.
        packed, self.shape.gzip = self.shape.gzip, False
        try:
            return self.body(self.files[request.path_params["file"]], request, media="application/octet-stream")
        finally:
            self.shape.gzip = packed

    def _json(self, body: Any) -> Response:
        return Response(
            (("\ufeff" if self.shape.bom else "") + json.dumps(body)).encode(), media_type="application/json"
        )
