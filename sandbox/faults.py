"""Scripted faults for a sandbox server: armed by a test or a person, injected between the wire and the app."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DROP_EXTENSION = "sandbox.drop"
"""Key of the ASGI extension (see `sandbox.server`) that closes the connection under a request."""
_SEEN_LIMIT = 100_000

Body = str | bytes | Mapping[str, Any] | Sequence[Any]


class ConnectionDroppedError(ConnectionError):
    """The fault closed the connection; seen only by callers that use the app without a socket."""


@dataclass
class Fault:
    """One armed fault; see `Faults.arm` for the meaning of its fields."""

    match: re.Pattern[str]
    times: int | None
    after: int
    status: int | None
    headers: dict[str, str]
    body: bytes | None
    truncate_after: int | None
    drop: Literal["before", "after"] | None
    delay: float | None
    act: Callable[[], object] | None

    @property
    def replaces_answer(self) -> bool:
        """True when the app is not asked at all."""
        return self.status is not None or self.body is not None

    @property
    def changes_answer(self) -> bool:
        """True when the app's own answer is sent with other headers or cut short."""
        return bool(self.headers) or self.truncate_after is not None


@dataclass
class Faults:
    """The faults of one server. Safe to use from any thread.

    Attributes:
        seen: every request served, oldest first, as `METHOD /path` (without the query).
    """

    seen: list[str] = field(default_factory=list[str])
    _armed: list[Fault] = field(default_factory=list[Fault])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(
        self,
        match: str,
        *,
        times: int | None = 1,
        after: int = 0,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        truncate_after: int | None = None,
        drop: Literal["before", "after"] | None = None,
        delay: float | None = None,
        act: Callable[[], object] | None = None,
    ) -> None:
        """Arm one fault. Of several that match a request, the one armed first acts.

        Args:
            match: regular expression searched in `METHOD /path?query`.
            times: how many requests it hits; None for all from then on.
            after: how many matching requests pass untouched first.
            status: answer with this status instead of asking the app.
            headers: headers of that answer; without `status` and `body`, added to (or replaced in) the app's own.
            body: body of that answer; anything but text and bytes is sent as JSON. Status 200 if none is given.
            truncate_after: close the connection after so many bytes of the body.
            drop: close the connection without an answer, "before" or "after" the app did its work.
            delay: seconds to wait before anything else.
            act: called (in a worker thread) before the app is asked, e.g. to change the world between two pages.
        """
        pattern, sent = re.compile(match), _encoded(body)
        fault = Fault(pattern, times, after, status, dict(headers or {}), sent, truncate_after, drop, delay, act)
        if body is not None and not isinstance(body, (str, bytes)):
            fault.headers.setdefault("content-type", "application/json;charset=UTF-8")
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        """Disarm everything and forget what was seen."""
        with self._lock:
            self._armed.clear()
            self.seen.clear()

    @property
    def pending(self) -> list[Fault]:
        """Faults that have not hit all their requests yet."""
        with self._lock:
            return [fault for fault in self._armed if fault.times != 0]

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """Note a request as seen and return the fault that hits it, counting it down."""
        with self._lock:
            self.seen.append(f"{method} {path}")
            if len(self.seen) > _SEEN_LIMIT:
                del self.seen[: _SEEN_LIMIT // 2]
            target = f"{method} {path}?{query}" if query else f"{method} {path}"
            for fault in self._armed:
                if fault.times == 0 or not fault.match.search(target):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
            return None


class FaultInjector:
    """ASGI wrapper that serves `app` and lets `faults` interfere."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._faults.take(scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._inject(fault, scope, receive, send)

    async def _inject(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.act:
            await asyncio.to_thread(fault.act)
        if fault.drop == "before":
            await _drop(scope)
            return
        answer = _Answer(fault, scope, send)
        if fault.replaces_answer:
            await _scripted(fault, answer.pass_on)
        elif fault.drop == "after":
            await self._app(scope, receive, _discard)
        elif fault.changes_answer:
            await self._app(scope, receive, answer.pass_on)
        else:
            await self._app(scope, receive, send)
        if fault.drop == "after":
            await _drop(scope)


class _Answer:
    """Passes an answer on to the wire with the fault's headers, up to the fault's last byte."""

    def __init__(self, fault: Fault, scope: Scope, send: Send) -> None:
        self._fault = fault
        self._scope = scope
        self._send = send
        self._left = fault.truncate_after
        self._closed = False

    async def pass_on(self, message: Message) -> None:
        if self._closed:
            return
        if message["type"] == "http.response.start" and not self._fault.replaces_answer:
            changed = {name.lower().encode(): value.encode() for name, value in self._fault.headers.items()}
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in changed]
            message = {**message, "headers": [*kept, *changed.items()]}
        elif message["type"] == "http.response.body" and self._left is not None:
            body = bytes(message.get("body", b""))[: self._left]
            self._left -= len(body)
            ends = self._left == 0 or not message.get("more_body", False)
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            if ends:
                self._closed = True
                await _drop(self._scope)
            return
        await self._send(message)


async def _scripted(fault: Fault, send: Send) -> None:
    body = fault.body or b""
    headers = {name.lower(): value for name, value in fault.headers.items()}
    headers.setdefault("content-length", str(len(body)))
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": fault.status or 200, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _discard(message: Message) -> None:
    """Swallow an answer that never reaches the wire."""


async def _drop(scope: Scope) -> None:
    close = scope.get("extensions", {}).get(DROP_EXTENSION)
    if close is None:
        raise ConnectionDroppedError("the armed fault closed the connection")
    close()
    # The server learns of the close in the next turns of its loop and would otherwise answer 500.
    for _ in range(3):
        await asyncio.sleep(0)


def _encoded(body: Body | None) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
