"""The control app: moves the business clock, reads the books and arms faults of a sandbox that runs elsewhere.

GET  /                   where everything is, and the business clock
POST /advance            {"days": 1}
GET  /books              the business's own figures
GET  /slack              messages received
GET  /faults/{system}    what is armed, and the requests seen
POST /faults/{system}    the arguments of `Faults.arm`
DELETE /faults/{system}  disarm
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import Faults

if TYPE_CHECKING:
    from sandbox.sandbox import Sandbox

_ARGUMENTS = set(inspect.signature(Faults.arm).parameters) - {"self", "act"}
_MOST_DAYS = 366


def create_app(sandbox: Sandbox) -> Starlette:
    """The control app of a running sandbox."""
    return Starlette(
        routes=[
            Route("/", _handler(sandbox, _overview)),
            Route("/advance", _handler(sandbox, _advance), methods=["POST"]),
            Route("/books", _handler(sandbox, _books)),
            Route("/slack", _handler(sandbox, _messages)),
            Route("/faults/{system}", _handler(sandbox, _faults), methods=["GET", "POST", "DELETE"]),
        ],
        exception_handlers={HTTPException: _refused},
    )


def _handler(sandbox: Sandbox, work: Callable[[Sandbox, Request, Any], Any]) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        body = await request.body()
        try:
            payload = json.loads(body) if body else {}
        except ValueError:
            raise HTTPException(400, "the body is not JSON") from None
        if not isinstance(payload, dict):
            raise HTTPException(400, "the body is not a JSON object")
        return JSONResponse(await run_in_threadpool(work, sandbox, request, payload))

    return handle


def _overview(sandbox: Sandbox, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    paths = (__doc__ or "").split("\n\n")[1].strip().split("\n")
    return {"business_time": _stamp(sandbox.now), "urls": sandbox.urls, "control": paths}


def _advance(sandbox: Sandbox, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    days = payload.get("days", 1)
    if not isinstance(days, int) or not 1 <= days <= _MOST_DAYS:
        raise HTTPException(400, f"days must be a whole number from 1 to {_MOST_DAYS}")
    sandbox.advance(days)
    return {"business_time": _stamp(sandbox.now), "files_delivered": sandbox.world.file_events}


def _books(sandbox: Sandbox, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    books = asdict(sandbox.world.books())
    as_of = books.pop("as_of")
    return {"as_of": str(as_of), **{name: _entries(book) for name, book in books.items()}}


def _entries(book: dict[tuple[Any, ...], Any]) -> list[list[Any]]:
    """One list per entry: the parts of its key, then its figure; money as text, so that no cent is lost."""
    return [
        [*map(str, key), figure if isinstance(figure, dict) else str(figure)] for key, figure in sorted(book.items())
    ]


def _messages(sandbox: Sandbox, request: Request, payload: dict[str, Any]) -> list[dict[str, Any]]:
    return sandbox.slack.messages


def _faults(sandbox: Sandbox, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    faults = sandbox.faults.get(request.path_params["system"])
    if faults is None:
        raise HTTPException(404, f"systems are {', '.join(sandbox.faults)}")
    if request.method == "DELETE":
        faults.clear()
    if request.method == "POST":
        if "match" not in payload or not set(payload) <= _ARGUMENTS:
            raise HTTPException(400, f"match is required; arguments are {', '.join(sorted(_ARGUMENTS))}")
        try:
            faults.arm(**payload)
        except re.error as error:
            raise HTTPException(400, f"match is no regular expression: {error}") from None
    armed = [{"match": fault.match.pattern, "times": fault.times, "after": fault.after} for fault in faults.pending]
    return {"pending": armed, "seen": list(faults.seen)}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


def _stamp(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
