"""Headers every answer carries, also an error or a scripted fault."""

from __future__ import annotations

import uuid
from email.utils import format_datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.zuora.tenant import ZuoraTenant


class TenantHeaders:
    """ASGI wrapper: `Date` by the business clock, RateLimit-*, request id, and the caller's Zuora-Track-Id.

    The server must not send a `Date` of its own.
    """

    def __init__(self, app: ASGIApp, tenant: ZuoraTenant) -> None:
        self._app = app
        self._tenant = tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = {name: value for name, value in scope["headers"] if name == b"zuora-track-id"}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = {
                    "Date": format_datetime(self._tenant.world.now, usegmt=True),
                    "Zuora-Request-Id": str(uuid.uuid4()),
                    **self._tenant.rate_limit_headers(),
                }
                own = {name.lower() for name, _ in message["headers"]}
                new = [(n.lower().encode(), v.encode()) for n, v in added.items() if n.lower().encode() not in own]
                message = {**message, "headers": [*message["headers"], *new, *asked.items()]}
            await send(message)

        await self._app(scope, receive, with_headers)
