"""OAuth 2.0 client credentials with a certificate-signed assertion (Oracle NetSuite Help, section 162790605110)."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

import jwt

from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.netsuite.errors import GrantError, invalid_login

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
SCOPE = "rest_webservices"
_SCOPES = {SCOPE, "restlets", "suite_analytics"}
_LONGEST_ASSERTION = 3600
_CLOCK_SKEW = 60
_TOKEN_SECONDS = 3600


class TokenIssuer:
    """Issues and checks access tokens. Safe to use from any thread; lives by the real clock."""

    def __init__(self, credentials: NetSuiteCredentials) -> None:
        self._credentials = credentials
        self._secret = secrets.token_hex(32)
        self._living: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self, form: Mapping[str, str], endpoint: str) -> dict[str, str]:
        """The token answer for a form posted to `endpoint` (the URL as the client saw it).

        Raises:
            GrantError: the form or the assertion is not acceptable.
        """
        for name in ("grant_type", "client_assertion_type", "client_assertion"):
            if not form.get(name):
                raise GrantError("invalid_request", f"{name} is missing")
        if form["grant_type"] != "client_credentials":
            raise GrantError("unsupported_grant_type", form["grant_type"])
        if form["client_assertion_type"] != ASSERTION_TYPE:
            raise GrantError("invalid_request", "client_assertion_type")
        scopes = self._checked(form["client_assertion"], endpoint)
        now = int(time.time())
        claims = {
            "iss": endpoint.partition("/services/")[0],
            "sub": f"{self._credentials.account};integration",
            "scope": sorted(scopes),
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
            "jti": secrets.token_hex(8),
        }
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        with self._lock:
            self._living[token] = now + _TOKEN_SECONDS
        return {"access_token": token, "expires_in": str(_TOKEN_SECONDS), "token_type": "Bearer"}

    def check(self, authorization: str) -> None:
        """Raises RestError 401 unless the header carries a living access token."""
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            expiry = self._living.get(token.strip(), 0.0)
        if scheme.lower() != "bearer" or expiry <= time.time():
            raise invalid_login()

    def expire_all(self) -> None:
        """End every session at once."""
        with self._lock:
            self._living.clear()

    def _checked(self, assertion: str, endpoint: str) -> set[str]:
        try:
            header = jwt.get_unverified_header(assertion)
            if header.get("kid") != self._credentials.certificate_id:
                raise GrantError("invalid_grant", "no certificate has this id")
            claims: dict[str, Any] = jwt.decode(
                assertion,
                self._credentials.public_key,
                algorithms=ALGORITHMS,
                audience=endpoint,
                issuer=self._credentials.client_id,
                leeway=_CLOCK_SKEW,
                options={"require": ["iss", "aud", "iat", "exp", "scope"]},
            )
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, TypeError, ValueError) as error:
            raise GrantError("invalid_grant", f"{type(error).__name__}: {error}") from None
        if float(claims["exp"]) > float(claims["iat"]) + _LONGEST_ASSERTION:
            raise GrantError("invalid_grant", "exp lies more than 60 minutes after iat")
        asked = claims["scope"]
        scopes = set(asked if isinstance(asked, list) else str(asked).replace(",", " ").split())
        if SCOPE not in scopes or scopes - _SCOPES:
            raise GrantError("invalid_grant", f"scope {sorted(scopes)}")
        return scopes
