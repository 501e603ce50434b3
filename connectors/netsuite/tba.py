"""Token-based authentication: OAuth 1.0a, each request signed with HMAC-SHA256 (RFC 5849; Oracle help 157021951).

The compatibility path: from release 2027.1 on no new integration can use it; existing ones go on.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class TokenKeys:
    """The two pairs of a token: the integration's (consumer) and the role's (token)."""

    realm: str
    consumer_key: str
    consumer_secret: str = field(repr=False)
    token_id: str
    token_secret: str = field(repr=False)


def authorization(
    keys: TokenKeys, method: str, url: str, *, timestamp: int, nonce: str, signature_method: str = "HMAC-SHA256"
) -> str:
    """The Authorization header of one request. A JSON body is not signed.

    Args:
        url: whole, with its query.
        timestamp: Unix time in seconds; NetSuite refuses one that is off by minutes.
        nonce: never used before with this timestamp.
    """
    named = {
        "oauth_consumer_key": keys.consumer_key,
        "oauth_token": keys.token_id,
        "oauth_nonce": nonce,
        "oauth_timestamp": str(timestamp),
        "oauth_signature_method": signature_method,
        "oauth_version": "1.0",
    }
    signed = signature(base_string(method, url, named), keys.consumer_secret, keys.token_secret, signature_method)
    listed = {"realm": keys.realm, **named, "oauth_signature": signed}
    return "OAuth " + ", ".join(f'{name}="{escaped(value)}"' for name, value in listed.items())


def base_string(method: str, url: str, oauth: Mapping[str, str], form: Pairs = ()) -> str:
    """What is signed (RFC 5849, section 3.4.1): method, address, and every parameter but realm and signature.

    Args:
        form: fields of a form body, where there is one.
    """
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port not in (None, {"http": 80, "https": 443}.get(parts.scheme.lower())) else ""
    address = f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path or '/'}"
    pairs = [*oauth.items(), *parse_qsl(parts.query, keep_blank_values=True), *form]
    listed = "&".join(f"{name}={value}" for name, value in sorted((escaped(n), escaped(v)) for n, v in pairs))
    return "&".join((method.upper(), escaped(address), escaped(listed)))


def signature(text: str, consumer_secret: str, token_secret: str, signature_method: str = "HMAC-SHA256") -> str:
    """The signature of a base string, in base64 (RFC 5849, section 3.4.2)."""
    digest = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}[signature_method]
    key = f"{escaped(consumer_secret)}&{escaped(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), text.encode(), digest).digest()).decode()


def escaped(text: str) -> str:
    """Percent-encoded as RFC 5849 wants it: everything but letters, digits and `-._~`."""
    return quote(text, safe="-._~")


class SigningTransport(httpx.AsyncBaseTransport):
    """Signs every request on its way out, each try anew: a nonce that comes twice is refused."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, keys: TokenKeys, clock: Callable[[], float] = time.time
    ) -> None:
        self._inner = inner
        self._keys = keys
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Authorization"] = authorization(
            self._keys,
            request.method,
            str(request.url),
            timestamp=int(self._clock()),
            nonce=secrets.token_hex(16),
        )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
