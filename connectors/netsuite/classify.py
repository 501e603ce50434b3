"""What NetSuite's answers mean, by `o:errorCode` and text: one cause comes as 429 and as 400."""

from __future__ import annotations

import re
from typing import Any

import httpx

from connectors.answers import default_classify, retry_after, said
from connectors.errors import (
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    TruncatedBody,
    UnknownField,
    UnknownObject,
)
from connectors.netsuite.auth import clock_remark

_TOO_MANY = {"CONCURRENCY_LIMIT_EXCEEDED", "SSS_REQUEST_LIMIT_EXCEEDED", "WS_REQUEST_BLOCKED", "REQUEST_LIMIT_EXCEEDED"}
_TRY_AGAIN = {"UNEXPECTED_ERROR", "SERVER_ERROR"}
_UNKNOWN_OBJECT = re.compile(r"(?i)\brecord '(\w+)' was not found|invalid or unsupported (?:table|record)[^\w]+(\w+)")
_UNKNOWN_FIELD = re.compile(
    r"(?i)\bfield '(\w+)'[^.]*? (?:was )?not (?:be )?found|unknown identifier '(\w+)'"
    r"|invalid (?:column|field)[^\w]+(\w+)"
)
_NO_PERMISSION = re.compile(r"(?i)permission|not_exposed")


def classify(response: httpx.Response) -> MgdwError | None:
    """The error an answer stands for, or None if it is fine."""
    if response.is_success:
        return _classify_body(response)
    codes, text = _details(response)
    status = response.status_code
    cause = f"netsuite: {response.request.url.path} answered {status} {'/'.join(codes)}: {text}"
    if _TOO_MANY & codes or status == 429:
        return RateLimited(
            cause,
            remedy="Lower MGDW_NETSUITE_CONCURRENCY, or look who else uses the account's requests "
            "(Setup > Integration > Integration Governance).",
            retry_after=retry_after(response),
            status=status,
        )
    if status == 401 or "INVALID_LOGIN" in codes:
        return CredentialsRefused(cause, remedy=clock_remark(response), status=status)
    if field := _UNKNOWN_FIELD.search(text):
        return UnknownField(cause, fields=(next(filter(None, field.groups())),))
    if found := _UNKNOWN_OBJECT.search(text):
        name = next(filter(None, found.groups()))
        return UnknownObject(
            cause,
            remedy=f"Correct `object` in the contract file, enable the feature that brings {name!r}, or grant the "
            "integration's role the permission to view it.",
            object=name,
        )
    if "INSUFFICIENT_PERMISSION" in codes or (status in (400, 403) and _NO_PERMISSION.search(text)):
        return PermissionMissing(cause, status=status)
    if _TRY_AGAIN & codes:
        return SourceUnavailable(cause, retry_after=retry_after(response), status=status)
    if codes and status < 500:
        return MgdwError(cause, status=status)
    return default_classify(response)


def _classify_body(response: httpx.Response) -> MgdwError | None:
    body = response.content
    where = f"netsuite: {response.request.url.path}"
    if body.lstrip()[:1] == b"<":
        return SourceUnavailable(
            f"{where} answered with a web page: {said(response)}",
            remedy="NetSuite shows such a page during maintenance: run again later. If it stays, check the base URL.",
        )
    if not body.rstrip().endswith(b"}"):
        return TruncatedBody(f"{where} answered {len(body)} bytes that end in mid-text")
    return None


def _details(response: httpx.Response) -> tuple[set[str], str]:
    """The error codes of the answer, and its words."""
    try:
        answer: Any = response.json()
        details: list[dict[str, Any]] = answer.get("o:errorDetails") or []
        codes = {str(d["o:errorCode"]) for d in details if "o:errorCode" in d}
        codes |= {str(answer[name]) for name in ("o:errorCode", "code") if name in answer}
        text = "; ".join(str(d.get("detail", "")) for d in details) or str(answer.get("title", ""))
    except (ValueError, AttributeError, TypeError):
        return set(), said(response)
    return codes, " ".join(text.split()) or said(response)
