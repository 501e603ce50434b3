"""The REST services of a NetSuite account as a Starlette app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import FaultInjector, Faults
from sandbox.netsuite import catalog
from sandbox.netsuite.account import NetSuiteAccount, NetSuiteOptions
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.netsuite.errors import GrantError, RestError, answer_error
from sandbox.netsuite.pages import PageRequest, answer, check_prefer, query_of
from sandbox.netsuite.schema import World

Handler = Callable[[Request], Awaitable[Response]]
_RESOURCE = "application/vnd.oracle.resource+json; type=collection"
_CATALOG = "/services/rest/record/v1/metadata-catalog"


def create_app(
    world: World, credentials: NetSuiteCredentials, faults: Faults, options: NetSuiteOptions | None = None
) -> Starlette:
    """The account's REST services. `app.state.account` is the NetSuiteAccount behind them."""
    app = Starlette(
        routes=[
            Route("/services/rest/auth/oauth2/v1/token", _token, methods=["POST"]),
            Route("/services/rest/query/v1/suiteql", _guarded(_suiteql), methods=["POST"]),
            Route("/services/rest/system/v1/governanceLimits", _guarded(_governance_limits)),
            Route(_CATALOG, _guarded(_metadata_catalog)),
            Route(_CATALOG + "/", _guarded(_metadata_catalog)),
            Route(_CATALOG + "/{record}", _guarded(_record_metadata)),
        ],
        middleware=[Middleware(FaultInjector, faults=faults)],
        exception_handlers={RestError: answer_error, GrantError: answer_error, 404: _no_such_path, 405: _wrong_method},
    )
    app.state.account = NetSuiteAccount(world, credentials, options or NetSuiteOptions())
    return app


def _guarded(handler: Handler) -> Handler:
    """Let a call in only when it may log in, and while fewer calls are under way than the account allows."""

    async def guarded(request: Request) -> Response:
        account: NetSuiteAccount = request.app.state.account
        account.admit(request.headers.get("authorization", ""), request.method, str(request.url))
        with account.call():
            return await handler(request)

    return guarded


async def _token(request: Request) -> Response:
    account: NetSuiteAccount = request.app.state.account
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    issued = account.tokens.issue(form, str(request.url.replace(query="")))
    return JSONResponse(issued, headers={"Cache-Control": "no-store"})


async def _suiteql(request: Request) -> Response:
    check_prefer(request.headers.get("prefer", ""))
    page = PageRequest.of(request.query_params)
    text = query_of(await request.body())
    url = str(request.url.replace(query=""))
    body = await to_thread.run_sync(answer, request.app.state.account, text, page, url)
    return Response(body, media_type=_RESOURCE)


async def _governance_limits(request: Request) -> Response:
    return JSONResponse(request.app.state.account.governance())


async def _metadata_catalog(request: Request) -> Response:
    account: NetSuiteAccount = request.app.state.account
    selected = [name for name in request.query_params.get("select", "").split(",") if name]
    if catalog.SWAGGER in request.headers.get("accept", ""):
        body = await to_thread.run_sync(catalog.openapi, account.schema, selected)
        return JSONResponse(body, media_type=catalog.SWAGGER)
    url = str(request.url.replace(query="")).rstrip("/")
    return JSONResponse(await to_thread.run_sync(catalog.listing, account.schema, url))


async def _record_metadata(request: Request) -> Response:
    account: NetSuiteAccount = request.app.state.account
    if not account.options.has_catalog:
        raise RestError(403, "INSUFFICIENT_PERMISSION", "You do not have permissions to access this record type.")
    body = await to_thread.run_sync(catalog.json_schema, account.schema, request.path_params["record"])
    return JSONResponse(body, media_type=catalog.JSON_SCHEMA)


async def _no_such_path(request: Request, error: Exception) -> Response:
    return RestError(404, "NONEXISTENT_ID", "The requested URL does not exist.").response()


async def _wrong_method(request: Request, error: Exception) -> Response:
    return RestError(405, "INVALID_METHOD", "The HTTP method is not allowed for this URL.").response()
