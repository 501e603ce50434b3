"""The REST API of a Zuora tenant as a Starlette app. Serve it without the server's own `Date` header."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.faults import FaultInjector, Faults
from sandbox.zuora.aqua import JobRequest
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.describe import object_xml, objects_xml
from sandbox.zuora.errors import ActionError, ApiError, AquaError, GrantError, answer_error
from sandbox.zuora.headers import TenantHeaders
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.schema import World
from sandbox.zuora.tenant import ZuoraTenant

Handler = Callable[[Request, ZuoraTenant], Awaitable[Response]]
_PRESIGNED = "/owl-query-results"
_CHUNK = 256 * 1024
_MEDIA_TYPES = {".csv": "text/csv", ".gz": "application/gzip", ".zip": "application/zip"}


def create_app(
    world: World, credentials: ZuoraCredentials, faults: Faults, options: ZuoraOptions | None = None
) -> Starlette:
    """The tenant's API. `app.state.tenant` is the ZuoraTenant behind it."""
    tenant = ZuoraTenant(world, credentials, options or ZuoraOptions())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(tenant.close)

    app = Starlette(
        routes=[
            Route("/oauth/token", _token, methods=["POST"]),
            *_routes("/v1/describe", _objects),
            *_routes("/v1/describe/{object}", _object),
            *_routes("/v1/batch-query", _submit, "POST"),
            *_routes("/v1/batch-query/jobs/{job}", _show_job),
            *_routes("/v1/batch-query/jobs/{job}", _cancel_job, "DELETE"),
            *_routes("/v1/file/{file}", _file),
            *_routes("/v1/files/{file}", _file),
            *_routes("/query/jobs", _submit_data_query, "POST"),
            *_routes("/query/jobs/{job}", _show_data_query),
            *_routes("/query/jobs/{job}", _cancel_data_query, "DELETE"),
            Route(f"{_PRESIGNED}/{{key}}", _presigned),
            *_routes("/v1/action/query", _query, "POST"),
            *_routes("/v1/action/queryMore", _query_more, "POST"),
        ],
        middleware=[Middleware(TenantHeaders, tenant=tenant), Middleware(FaultInjector, faults=faults)],
        exception_handlers={
            **dict.fromkeys((ApiError, GrantError, ActionError, AquaError), answer_error),
            404: _no_such_path,
            405: _wrong_method,
        },
        lifespan=lifespan,
    )
    app.state.tenant = tenant
    return app


def _routes(path: str, handler: Handler, method: str = "GET") -> list[Route]:
    """Routes with and without a slash at the end, let in with a living token and within the rate limit."""

    async def guarded(request: Request) -> Response:
        tenant: ZuoraTenant = request.app.state.tenant
        tenant.tokens.check(request.headers.get("authorization", ""))
        tenant.count_call()
        return await handler(request, tenant)

    return [Route(form, guarded, methods=[method]) for form in (path, path + "/")]


async def _token(request: Request) -> Response:
    tenant: ZuoraTenant = request.app.state.tenant
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    return JSONResponse(tenant.tokens.issue(form))


async def _objects(request: Request, tenant: ZuoraTenant) -> Response:
    xml = await to_thread.run_sync(objects_xml, tenant.schema, _address(request))
    return Response(xml, media_type="text/xml")


async def _object(request: Request, tenant: ZuoraTenant) -> Response:
    name = request.path_params["object"]
    subject = await to_thread.run_sync(tenant.schema.object, name)
    if subject is None:
        raise ApiError(404, 50000040, f"Cannot find an object named '{name}'.")
    url = _address(request).rpartition("/")[0]
    return Response(await to_thread.run_sync(object_xml, subject, tenant.schema, url), media_type="text/xml")


async def _submit(request: Request, tenant: ZuoraTenant) -> Response:
    job = JobRequest.of(await _json(request))
    return JSONResponse(await to_thread.run_sync(tenant.jobs.submit, job))


async def _show_job(request: Request, tenant: ZuoraTenant) -> Response:
    return JSONResponse(tenant.jobs.show(request.path_params["job"]))


async def _cancel_job(request: Request, tenant: ZuoraTenant) -> Response:
    return JSONResponse(tenant.jobs.cancel(request.path_params["job"]))


async def _file(request: Request, tenant: ZuoraTenant) -> Response:
    path = tenant.jobs.file(request.path_params["file"])
    if path is None:
        raise ApiError(404, 50000040, "Cannot find the file.")
    return _streamed(path)


def _streamed(path: Path) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        async with await anyio.open_file(path, "rb") as file:
            while chunk := await file.read(_CHUNK):
                yield chunk

    headers = {"Content-Disposition": f'attachment; filename="{path.name}"'}
    return StreamingResponse(chunks(), media_type=_MEDIA_TYPES[path.suffix], headers=headers)


async def _submit_data_query(request: Request, tenant: ZuoraTenant) -> Response:
    return JSONResponse(tenant.data_queries.submit(await _json(request)).answer(_files_url(request)))


async def _show_data_query(request: Request, tenant: ZuoraTenant) -> Response:
    job = await to_thread.run_sync(tenant.data_queries.show, request.path_params["job"])
    return JSONResponse(job.answer(_files_url(request)))


async def _cancel_data_query(request: Request, tenant: ZuoraTenant) -> Response:
    return JSONResponse(tenant.data_queries.cancel(request.path_params["job"]).answer(_files_url(request)))


async def _presigned(request: Request) -> Response:
    """A result as S3 serves it at a presigned address: no token, or the request is refused."""
    tenant: ZuoraTenant = request.app.state.tenant
    if "authorization" in request.headers:
        text = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
        return Response(text, 400, media_type="application/xml")
    path = tenant.data_queries.file(request.path_params["key"], request.query_params.get("X-Amz-Signature", ""))
    if path is None:
        text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        return Response(text, 403, media_type="application/xml")
    return _streamed(path)


def _files_url(request: Request) -> str:
    """Another host than the API's, as at Zuora: on loopback this machine's other name."""
    name = str(request.url.hostname)
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(name, name)
    return f"{request.url.replace(hostname=other, path=_PRESIGNED, query='')}"


async def _query(request: Request, tenant: ZuoraTenant) -> Response:
    text = (await _json(request)).get("queryString")
    if not isinstance(text, str):
        raise ActionError("MISSING_REQUIRED_VALUE", "queryString is required")
    body = await to_thread.run_sync(tenant.actions.query, text, tenant.schema)
    return Response(body, media_type="application/json")


async def _query_more(request: Request, tenant: ZuoraTenant) -> Response:
    locator = str((await _json(request)).get("queryLocator") or "")
    return Response(tenant.actions.query_more(locator), media_type="application/json")


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, 50000090, "The request body is not a JSON object.")
    return body


def _address(request: Request) -> str:
    return str(request.url.replace(query="")).rstrip("/")


async def _no_such_path(request: Request, error: Exception) -> Response:
    return ApiError(404, 50000040, "The requested URL does not exist.").response()


async def _wrong_method(request: Request, error: Exception) -> Response:
    return ApiError(405, 50000090, "The HTTP method is not allowed for this URL.").response()
