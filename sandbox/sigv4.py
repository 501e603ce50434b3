"""AWS Signature Version 4 as the server checks it (AWS General Reference, "Signature Version 4 signing process")."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<signed>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def refusal(
    method: str,
    raw_path: str,
    query: str,
    headers: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    body: bytes,
) -> tuple[str, str] | None:
    """Why a request is not let in, as S3's error code and message; None if it is.

    Args:
        raw_path: as on the wire, percent-encoded.
        headers: names in lower case.
        secrets: secret keys by access key id.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        return "AccessDenied", "Access Denied"
    secret = secrets.get(found["key"])
    if secret is None:
        return "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    scope = f"{found['date']}/{found['region']}/{found['service']}/aws4_request"
    canonical = "\n".join(
        (
            method,
            raw_path,
            _canonical_query(query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in found["signed"].split(";")),
            "",
            found["signed"],
            headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest(),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), scope, digest))
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = _hmac(key, step)
    if hmac.compare_digest(_hmac(key, text).hex(), found["signature"]):
        return None
    return "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."


def scope_of(headers: Mapping[str, str]) -> tuple[str, str]:
    """Access key id and service that a request is signed for; empty without a signature."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    return (found["key"], found["service"]) if found else ("", "")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _canonical_query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    # A client may send a space as `+` or `%20`; it signs `%20`.
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return quote(unquote_plus(text), safe="-_.~")
