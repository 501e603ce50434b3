"""S3's own clock, by which the age of a file is told: any answer carries it (RFC 9110, section 6.6.1)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from connectors.s3.settings import S3Settings
from connectors.settings import is_loopback

_PATIENCE = 5.0


async def s3_clock(settings: S3Settings) -> datetime:
    """The time at S3 (UTC, whole seconds).

    The request is not signed: a refusal has a `Date` as well. Without an answer it is this machine's clock, which is
    at most 15 minutes off, or S3 would refuse our signatures.
    """
    url = settings.endpoint_url or f"https://s3.{settings.region}.amazonaws.com"
    try:
        async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=not is_loopback(url)) as client:
            told = parsedate_to_datetime((await client.head(url)).headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return datetime.now(UTC)
    return told.astimezone(UTC)
