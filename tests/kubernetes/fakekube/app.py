"""The API over HTTP: who asks, may they, what do they get; and the list of all calls."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import yaml
from aiohttp import web

from tests.kubernetes.fakekube import discovery, errors, logs, rbac, resources, tables, watch
from tests.kubernetes.fakekube.cluster_state import ClusterState
from tests.kubernetes.fakekube.errors import ApiError
from tests.kubernetes.fakekube.resources import Target
from tests.kubernetes.fakekube.store import stamp
from tests.kubernetes.fakekube.verbs import matcher

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclasses.dataclass
class Call:
    """One request to the API."""

    time: str
    verb: str
    resource: str
    """With the subresource: `pods/log`; for a path that is no resource's, the path."""
    namespace: str | None
    name: str | None
    user: str
    status: int
    query: dict[str, str]
    warnings: list[str] = dataclasses.field(default_factory=list)


class Api:
    """The request handler. `unreachable` makes the server hang up on everybody."""

    def __init__(self, state: ClusterState, bookmark_every: float) -> None:
        self._state = state
        self._bookmark_every = bookmark_every
        self.calls: list[Call] = []
        self.unreachable = False
        self._streams: dict[int, web.Request] = {}

    def hang_up(self) -> None:
        """Cut every stream that is open."""
        for request in list(self._streams.values()):
            if request.transport is not None:
                request.transport.abort()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.unreachable:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        call = Call(
            stamp(), _VERBS.get(request.method, request.method), request.path, None, None, "", 0, dict(request.query)
        )
        self.calls.append(call)
        try:
            response = await self._answer(request, call)
        except ApiError as error:
            call.status = error.code
            return web.json_response(error.body, status=error.code)
        call.status = response.status
        return response

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        call.user = rbac.user_of(self._state.store, request.headers.get("Authorization"))
        target = resources.parse(request.path)
        if target is None:
            asked = rbac.Request(call.verb, None, None, None, None, request.path)
            rbac.authorize(self._state.store, call.user, asked)
            found = discovery.answer(request.path) if call.verb == "get" else None
            if found is None:
                raise errors.no_such_path()
            return web.Response(text=found) if isinstance(found, str) else web.json_response(found)
        call.verb = _verb(request, target)
        call.resource = (
            f"{target.resource.plural}/{target.subresource}" if target.subresource else target.resource.plural
        )
        call.namespace, call.name = target.namespace, target.name
        asked = rbac.Request(
            call.verb, target.resource, target.subresource, target.namespace, target.name, request.path
        )
        rbac.authorize(self._state.store, call.user, asked)
        if call.verb not in target.resource.subresources.get(target.subresource or "", target.resource.verbs):
            raise errors.method_not_allowed()
        if call.verb == "watch" or target.subresource == "log":
            return await self._stream(request, call, target)
        body = await _body(request)
        return self._respond(request, call, target, body)

    async def _stream(self, request: web.Request, call: Call, target: Target) -> web.StreamResponse:
        call.status = 200
        self._streams[id(request)] = request
        try:
            if target.subresource == "log":
                return await logs.serve(request, self._state, target)
            return await watch.serve(
                request,
                self._state.store,
                target.resource,
                target.namespace,
                matcher(request.query),
                self._bookmark_every,
            )
        except ConnectionResetError:
            return web.Response()  # nobody reads it: the client has gone
        finally:
            del self._streams[id(request)]

    def _respond(self, request: web.Request, call: Call, target: Target, body: Any) -> web.Response:
        verbs, query = self._state.verbs, request.query
        status = 200
        match call.verb:
            case "get":
                found = verbs.get(target)
            case "list":
                found = verbs.list(target, query)
            case "create":
                found, call.warnings = verbs.create(target, call.user, body, query)
                status = 201
            case "update":
                found = verbs.update(target, body, query)
            case "patch":
                found = verbs.patch(target, request.content_type, body, query)
            case "delete":
                found = verbs.delete(target, body or {}, query)
            case _:
                found = verbs.delete_many(target, body or {}, query)
        if call.verb in ("get", "list") and tables.wanted(request.headers.get("Accept", ""), target.resource):
            found = tables.of(target.resource, found)
        response = web.json_response(found, status=status)
        for warning in call.warnings:
            response.headers.add("Warning", f"299 - {json.dumps(warning)}")
        return response


def _verb(request: web.Request, target: Target) -> str:
    verb = _VERBS.get(request.method, "")
    if verb == "get" and target.name is None:
        return "watch" if request.query.get("watch", "").lower() in ("1", "true") else "list"
    if verb == "delete" and target.name is None:
        return "deletecollection"
    if (verb == "create") is (target.name is not None) and target.subresource is None and verb != "delete" and (
        verb != "get"):  # fmt: skip
        raise errors.method_not_allowed()
    return verb


async def _body(request: web.Request) -> Any:
    if request.content_type.endswith("protobuf"):
        raise errors.unsupported_media(request.content_type)
    if request.method == "GET" or not (text := await request.text()):
        return None
    try:
        return yaml.safe_load(text) if "yaml" in request.content_type else json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(f"the object provided is unrecognized: {error}") from None
