"""WATCH: the changes since a version, then those that come, as one JSON object a line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.kubernetes.fakekube.errors import ApiError
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Change, Object, Store

_LONGEST = 3_600.0
Matches = Callable[[Object], bool]


async def serve(
    request: web.Request,
    store: Store,
    resource: Resource,
    namespace: str | None,
    matches: Matches,
    bookmark_every: float,
) -> web.StreamResponse:
    """Stream until `timeoutSeconds` are over or the client goes. `bookmark_every` is in seconds.

    A version that is too old is answered within the stream (ERROR, 410), as a real server does."""
    query = request.query
    since = query.get("resourceVersion", "")
    initial = since in ("", "0") or query.get("sendInitialEvents", "").lower() == "true"
    changes: asyncio.Queue[Change] = asyncio.Queue()
    forget = store.listen(changes.put_nowait)
    try:
        error, replay = None, list[Change]()
        start = store.version
        present = [one for one in store.every(resource, namespace) if matches(one)] if initial else []
        if not initial:
            try:
                replay = store.since(int(since))
            except ApiError as gone:
                error = gone
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if error is not None:
            await _send(response, "ERROR", error.body)
            return response
        for one in present:
            await _send(response, "ADDED", one)
        if query.get("sendInitialEvents", "").lower() == "true":
            await _bookmark(response, resource, start, {"k8s.io/initial-events-end": "true"})
        for change in replay:
            await _tell(response, change, resource, namespace, matches)
        loop = asyncio.get_running_loop()
        end = loop.time() + float(query.get("timeoutSeconds") or _LONGEST)
        version = start
        while (left := end - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(changes.get(), min(left, bookmark_every))
            except TimeoutError:
                if query.get("allowWatchBookmarks", "").lower() == "true":
                    await _bookmark(response, resource, version, {})
                continue
            version = change.version
            await _tell(response, change, resource, namespace, matches)
        return response
    finally:
        forget()


async def _tell(
    response: web.StreamResponse, change: Change, resource: Resource, namespace: str | None, matches: Matches
) -> None:
    if change.resource is not resource or namespace not in (None, change.key[0]):
        return
    is_in = change.type != "DELETED" and matches(change.object)
    was_in = change.old is not None and matches(change.old)
    # An object that a selector does not select any more is deleted for whoever watches by that selector.
    if is_in:
        await _send(response, "MODIFIED" if was_in else "ADDED", change.object)
    elif was_in:
        assert change.old is not None
        metadata = {**change.old["metadata"], "resourceVersion": change.object["metadata"]["resourceVersion"]}
        last = change.object if change.type == "DELETED" else {**change.old, "metadata": metadata}
        await _send(response, "DELETED", last)


async def _bookmark(response: web.StreamResponse, resource: Resource, version: int, notes: dict[str, str]) -> None:
    metadata: dict[str, Any] = {"resourceVersion": str(version), **({"annotations": notes} if notes else {})}
    await _send(response, "BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})


async def _send(response: web.StreamResponse, kind: str, found: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
