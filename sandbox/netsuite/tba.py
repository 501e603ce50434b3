"""Token-based authentication: OAuth 1.0a signatures verified for real (RFC 5849; Oracle NetSuite Help 157021951)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
import urllib.parse
from collections.abc import Mapping

from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.netsuite.errors import invalid_login

_CLOCK_SKEW = 300
_UNRESERVED = "-._~"


class SignatureCheck:
    """Checks signed requests of one account. Safe to use from any thread; lives by the real clock."""

    def __init__(self, credentials: NetSuiteCredentials) -> None:
        self._credentials = credentials
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def check(self, authorization: str, method: str, url: str) -> None:
        """Raises RestError 401 unless the header signs just this request, now, and for the first time.

        Args:
            url: whole, as the client saw it.
        """
        own, told = self._credentials, _parameters(authorization)
        known = (
            told.get("realm") == own.account
            and told.get("oauth_consumer_key") == own.client_id
            and told.get("oauth_token") == own.token_id
            and told.get("oauth_signature_method") == "HMAC-SHA256"
            and told.get("oauth_version", "1.0") == "1.0"
        )
        stamp, nonce = told.get("oauth_timestamp", ""), told.get("oauth_nonce", "")
        timely = stamp.isdecimal() and abs(int(stamp) - time.time()) <= _CLOCK_SKEW
        signed = hmac.compare_digest(told.get("oauth_signature", ""), self._signature(told, method, url))
        if not (known and timely and nonce and signed):
            raise invalid_login()
        with self._lock:
            if (stamp, nonce) in self._seen:
                raise invalid_login()
            self._seen.add((stamp, nonce))

    def _signature(self, told: Mapping[str, str], method: str, url: str) -> str:
        split = urllib.parse.urlsplit(url)
        pairs = [(n, v) for n, v in told.items() if n not in ("realm", "oauth_signature")]
        pairs += urllib.parse.parse_qsl(split.query, keep_blank_values=True)
        parameters = "&".join(sorted(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs))
        address = urllib.parse.urlunsplit((split.scheme, split.netloc, split.path, "", ""))
        base = f"{method}&{_encoded(address)}&{_encoded(parameters)}"
        key = f"{_encoded(self._credentials.consumer_secret)}&{_encoded(self._credentials.token_secret)}"
        return base64.b64encode(hmac.digest(key.encode(), base.encode(), hashlib.sha256)).decode()


def _parameters(authorization: str) -> dict[str, str]:
    _, _, listed = authorization.partition(" ")
    pairs = [part.strip().partition("=") for part in listed.split(",") if part.strip()]
    return {name: urllib.parse.unquote(value.strip('"')) for name, _, value in pairs}


def _encoded(text: str) -> str:
    return urllib.parse.quote(text, safe=_UNRESERVED)
