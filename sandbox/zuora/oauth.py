"""OAuth client credentials: one token for many calls."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.errors import GrantError, not_signed_in

_TOKEN_SECONDS = 3598


class TokenIssuer:
    """Issues and checks access tokens. Safe to use from any thread; lives by the real clock."""

    def __init__(self, credentials: ZuoraCredentials) -> None:
        self._credentials = credentials
        self._living: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token answer. Raises GrantError."""
        own = self._credentials
        if not form.get("grant_type"):
            raise GrantError(400, "Missing grant type")
        if form["grant_type"] != "client_credentials":
            raise GrantError(400, f"Unsupported grant type: {form['grant_type']}")
        if form.get("client_id") != own.client_id:
            raise GrantError(401, "Invalid client id")
        if not hmac.compare_digest(form.get("client_secret", "").encode(), own.client_secret.encode()):
            raise GrantError(401, "Invalid client secret")
        token = secrets.token_hex(16)
        with self._lock:
            self._living[token] = time.time() + _TOKEN_SECONDS
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": _TOKEN_SECONDS,
            "scope": f"entity.{own.entity_id} platform.write tenant.{own.tenant_id} user.{own.user_id}",
            "jti": str(uuid.uuid4()),
        }

    def check(self, authorization: str) -> None:
        """Raises ApiError 401 unless the header carries a living access token."""
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            expiry = self._living.get(token.strip(), 0.0)
        if scheme.lower() != "bearer" or expiry <= time.time():
            raise not_signed_in()

    def expire_all(self) -> None:
        """End every session at once."""
        with self._lock:
            self._living.clear()
