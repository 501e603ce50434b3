"""What an HTTP answer means: as an error, in seconds to wait, in words without secrets. Pure functions."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

import httpx

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
)

Classify = Callable[[httpx.Response], MgdwError | None]
_EXCERPT_SOURCE = 20_000
_SECRET_FIELDS = {"client_secret", "assertion", "client_assertion", "password", "refresh_token", "code"}


def default_classify(response: httpx.Response) -> MgdwError | None:
    """What every API means by its status codes, for answers the connector does not explain better."""
    status = response.status_code
    if status < 300:
        return None
    cause = f"{response.request.method} {response.request.url.path} answered {status}"
    if status < 400:
        target = response.headers.get("Location", "nowhere").split("?")[0]
        return ConfigurationError(
            f"{cause}: moved to {target}", remedy="Put the API's present address into the settings.", status=status
        )
    wait = retry_after(response)
    text = said(response)
    if text:
        cause = f"{cause}: {text}"
    if status in (420, 429):
        return RateLimited(cause, retry_after=wait, status=status)
    if status >= 500 or status in (406, 408, 425):
        return SourceUnavailable(cause, retry_after=wait, status=status)
    if status == 401:
        return CredentialsRefused(cause, status=status)
    if status == 403:
        return PermissionMissing(cause, status=status)
    return MgdwError(cause, status=status)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds from a `Retry-After` header (RFC 9110: a number or a date), or None if absent or unreadable.

    A date is taken relative to the answer's own `Date`, so that a clock that differs from ours does no harm.
    """
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(response.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def server_clock(response: httpx.Response) -> datetime | None:
    """The other side's clock (UTC) by the answer's `Date` header, or None."""
    return _http_date(response.headers.get("Date", ""))


def said(response: httpx.Response, limit: int = 300) -> str:
    """What the body says, in one line: markup dropped, and every secret of its own request blotted out."""
    text = response.text[:_EXCERPT_SOURCE]
    if re.match(r"\s*<", text):
        text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    text = " ".join(blotted(text, response.request).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def blotted(text: str, request: httpx.Request) -> str:
    """The text with every secret of the request blotted out: some servers repeat what they refuse."""
    for secret in _secrets_of(request):
        text = text.replace(secret, "***")
    return text


def _secrets_of(request: httpx.Request) -> Iterator[str]:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if credentials:
        yield credentials
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            yield base64.b64decode(credentials, validate=True).decode().partition(":")[2] or credentials
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        for name, value in parse_qsl(request.content.decode("ascii", "replace")):
            if name in _SECRET_FIELDS:
                yield value


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
