"""Slack's incoming webhooks: one address that keeps what was sent to it (Slack API, "Incoming webhooks")."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import FaultInjector, Faults

_TEXT_LIMIT = 40_000


@dataclass
class SlackWorkspace:
    """One workspace with one webhook.

    Attributes:
        messages: payloads received, oldest first.
    """

    team: str = "T0SANDBOX"
    service: str = "B0MGDWDATA"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def path(self) -> str:
        """Path of the webhook's address, which is its secret."""
        return f"/services/{self.team}/{self.service}/{self.token}"

    @property
    def texts(self) -> list[str]:
        """The messages' plain texts."""
        return [str(message.get("text", "")) for message in self.messages]

    def post(self, payload: dict[str, Any]) -> None:
        """Keep one message."""
        with self._lock:
            self.messages.append(payload)


def create_app(workspace: SlackWorkspace, faults: Faults) -> Starlette:
    """The webhook's app, with `faults` injected."""
    app = Starlette(
        routes=[Route("/services/{team}/{service}/{token}", _webhook, methods=["POST"])],
        middleware=[Middleware(FaultInjector, faults=faults)],
    )
    app.state.workspace = workspace
    return app


async def _webhook(request: Request) -> Response:
    workspace: SlackWorkspace = request.app.state.workspace
    path = request.path_params
    if path["team"] != workspace.team:
        return PlainTextResponse("no_team", status_code=404)
    if path["service"] != workspace.service:
        return PlainTextResponse("no_service", status_code=404)
    if not secrets.compare_digest(path["token"], workspace.token):
        return PlainTextResponse("invalid_token", status_code=403)
    problem, payload = _read(await request.body(), request.headers.get("content-type", ""))
    if problem:
        return PlainTextResponse(problem, status_code=400)
    workspace.post(payload)
    return PlainTextResponse("ok")


def _read(body: bytes, content_type: str) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with the body, if anything, and the payload."""
    if not content_type.startswith("application/json"):
        return "invalid_payload", {}
    try:
        payload = json.loads(body)
    except ValueError:
        return "invalid_payload", {}
    if not isinstance(payload, dict):
        return "invalid_payload", {}
    if not any(payload.get(name) for name in ("text", "blocks", "attachments")):
        return "no_text", {}
    if len(str(payload.get("text", ""))) > _TEXT_LIMIT:
        return "msg_too_long", {}
    return None, payload
