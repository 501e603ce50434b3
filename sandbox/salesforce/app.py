"""The Salesforce server: routes, and what every answer of the data APIs has in common."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import FaultInjector, Faults
from sandbox.salesforce import oauth, rest
from sandbox.salesforce.bulk import routes as bulk
from sandbox.salesforce.credentials import SalesforceCredentials
from sandbox.salesforce.errors import ApiError, LoginError, answer_api_error, not_found
from sandbox.salesforce.options import SalesforceOptions
from sandbox.salesforce.org import SalesforceOrg
from sandbox.salesforce.schema import World

_DATA = "/services/data/v{version}"
_DATA_PATH = re.compile(r"/services/data/v(?P<version>[^/]+)(?:/|$)")
_OLDEST_VERSION = 31.0
_MOST_SUBREQUESTS = 25


def create_app(
    world: World, credentials: SalesforceCredentials, faults: Faults, options: SalesforceOptions | None = None
) -> Starlette:
    """The app, with `faults` injected. Its org is at `app.state.org`; it closes with the app's lifespan."""
    org = SalesforceOrg(world, credentials, options or SalesforceOptions())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        org.close()

    app = Starlette(
        routes=[
            Route("/services/oauth2/token", oauth.token, methods=["POST"]),
            Route("/services/data", rest.versions),
            *(Route(_DATA + path, endpoint, methods=methods) for path, endpoint, methods in _ROUTES),
        ],
        middleware=[Middleware(FaultInjector, faults=faults), Middleware(_DataApi, org=org)],
        exception_handlers={
            ApiError: answer_api_error,
            LoginError: answer_api_error,
            404: _unknown_path,
            405: _wrong_method,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.org = org
    return app


async def composite_batch(request: Request) -> Response:
    """POST /composite/batch: up to 25 requests in one call, answered one after the other."""
    try:
        wanted = json.loads(await request.body())["batchRequests"]
        calls = [(str(one["method"]).upper(), str(one["url"])) for one in wanted]
    except (ValueError, KeyError, TypeError):
        raise ApiError(400, "JSON_PARSER_ERROR", "batchRequests must be a list of method and url") from None
    if len(calls) > _MOST_SUBREQUESTS:
        raise ApiError(400, "LIMIT_EXCEEDED", f"The batch has more than {_MOST_SUBREQUESTS} subrequests")
    found = [await _subrequest(request, method, url) for method, url in calls]
    answers = [{"statusCode": status, "result": result} for status, result in found]
    return JSONResponse({"hasErrors": any(status >= 400 for status, _ in found), "results": answers})


_ROUTES: list[tuple[str, Any, list[str]]] = [
    ("", rest.resources, ["GET"]),
    ("/limits", rest.limits, ["GET"]),
    ("/limits/recordCount", rest.record_count, ["GET"]),
    ("/sobjects", rest.sobjects, ["GET"]),
    ("/sobjects/{object}", rest.sobject, ["GET"]),
    ("/sobjects/{object}/describe", rest.describe, ["GET"]),
    ("/sobjects/{object}/updated", rest.updated, ["GET"]),
    ("/sobjects/{object}/deleted", rest.deleted, ["GET"]),
    ("/sobjects/{object}/{record_id}", rest.record, ["GET"]),
    ("/query", rest.query, ["GET"]),
    ("/queryAll", rest.query_all, ["GET"]),
    ("/query/{locator}", rest.query_more, ["GET"]),
    ("/queryAll/{locator}", rest.query_more, ["GET"]),
    ("/composite/batch", composite_batch, ["POST"]),
    ("/jobs/query", bulk.jobs, ["GET", "POST"]),
    ("/jobs/query/{job_id}", bulk.job, ["GET", "PATCH", "DELETE"]),
    ("/jobs/query/{job_id}/results", bulk.results, ["GET"]),
    ("/jobs/query/{job_id}/resultPages", bulk.result_pages, ["GET"]),
]


class _DataApi:
    """What all data endpoints share: trailing slashes, API versions, sessions, quota, and the headers about them."""

    def __init__(self, app: ASGIApp, org: SalesforceOrg) -> None:
        self._app = app
        self._org = org

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].rstrip("/") or "/"
        inner = {**scope, "path": path, "raw_path": path.encode()}
        if match := _DATA_PATH.match(path):
            if _request_bytes(scope) > self._org.options.longest_request:
                # From the edge, hence no JSON.
                await HTMLResponse("<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", 414)(scope, receive, send)
                return
            try:
                _check_version(match["version"], self._org.options.latest_version)
                self._org.check_session(Request(scope).headers.get("authorization", ""))
                self._org.count_request()
            except ApiError as error:
                await error.response()(inner, receive, self._with_headers(send))
                return
        await self._app(inner, receive, self._with_headers(send))

    def _with_headers(self, send: Send) -> Send:
        """Add the quota and the business clock to an answer."""

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                usage = f"api-usage={self._org.api_requests}/{self._org.options.daily_api_requests}"
                clock = format_datetime(self._org.world.now.astimezone(UTC), usegmt=True)
                message["headers"] += [(b"sforce-limit-info", usage.encode()), (b"date", clock.encode())]
            await send(message)

        return pass_on


def _request_bytes(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return len(scope["raw_path"]) + len(scope["query_string"]) + headers


def _check_version(version: str, latest: float) -> None:
    if not re.fullmatch(r"\d{2}\.0", version) or float(version) > latest:
        raise not_found()
    if float(version) < _OLDEST_VERSION:
        raise ApiError(410, "GONE", "The requested API version is no longer supported")


async def _subrequest(request: Request, method: str, url: str) -> tuple[int, Any]:
    target = urlsplit(url if url.startswith("/") else f"/services/data/{url}")
    path = target.path.rstrip("/")
    headers = [(name, value) for name, value in request.headers.raw if name not in (b"content-length", b"content-type")]
    scope = {**request.scope, "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
    scope["query_string"] = target.query.encode()
    status, body = 500, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body.extend(message.get("body", b""))

    try:
        await request.app.router(scope, receive, send)
    except ApiError as error:
        return error.status, [{"errorCode": error.code, "message": error.message}]
    return status, json.loads(body) if body else None


async def _wrong_method(request: Request, error: Exception) -> Response:
    return ApiError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed").response()


async def _unknown_path(request: Request, error: Exception) -> Response:
    return not_found().response()
