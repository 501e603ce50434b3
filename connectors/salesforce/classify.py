"""What Salesforce's error answers mean.

Bodies are a JSON array `[{"errorCode", "message"}]` (REST and Bulk 2.0) or an object `{"error", "error_description"}`
(OAuth); from the edge they may be HTML. Codes: "Salesforce Core Data API: Status Codes and Error Responses",
and what public connectors met in production.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import httpx

from connectors.answers import blotted, default_classify, retry_after, said
from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    UnknownField,
    UnknownObject,
    WorkFailed,
)

_DAILY_QUOTA_WAIT = 3600.0
"""Seconds after which a rolling 24 h quota may have room again: too long to wait for inside a run."""

_PERMISSION = {
    "API_DISABLED_FOR_ORG": "Enable API access for the org and for the integration user's profile.",
    "FUNCTIONALITY_NOT_ENABLED": "Enable the feature at Salesforce, or remove the table from the contract.",
    "INSUFFICIENT_ACCESS": None,
    "INSUFFICIENT_ACCESS_OR_READONLY": None,
    "TXN_SECURITY_METERING_ERROR": "Give the integration user the permission 'Exempt from Transaction Security'.",
}
_TRANSIENT = {"SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW", "UNKNOWN_EXCEPTION"}
_BULK_REFUSALS = re.compile(
    "compound data not supported|does not support query|not supported by the bulk", re.IGNORECASE
)
_TIMEOUTS = re.compile(
    "timed?[ -]?out|too long|fifteen times|15 times|query_timeout|too large|too many (rows|records)", re.IGNORECASE
)
_LOGIN_TRANSIENT = {"rate_limit_exceeded", "server_error", "temporarily_unavailable"}


def classify(response: httpx.Response) -> MgdwError | None:
    """The error an answer stands for, its code among the facts; None if the answer is fine."""
    if response.status_code < 300 and is_web_page(response):
        return web_page(response)
    if response.status_code < 400:
        return None
    code, message = error_of(response)
    error = _explained(response, code, message)
    if response.status_code == 400 and _BULK_REFUSALS.search(message):
        error = _refused(f"Salesforce: {message} ({code})", "field" if "compound" in message else "object")
    if error is not None and code:
        error.facts["code"] = code
    return error


def _explained(response: httpx.Response, code: str | None, message: str) -> MgdwError | None:
    cause = f"Salesforce: {message} ({code or response.status_code})"
    if code in _EXPLAINED:
        return _EXPLAINED[code](cause, message)
    if code in _PERMISSION:
        return PermissionMissing(cause, remedy=_PERMISSION[code])
    if code in _TRANSIENT or (response.status_code >= 500 and code != "UNSUPPORTED_API_VERSION"):
        return SourceUnavailable(cause, retry_after=retry_after(response))
    if response.status_code == 410 or code == "UNSUPPORTED_API_VERSION":
        return ConfigurationError(
            f"Salesforce no longer serves this API version: {message}",
            remedy="Set MGDW_SALESFORCE_API_VERSION to a version the org still supports.",
        )
    return default_classify(response)


def is_web_page(response: httpx.Response) -> bool:
    """True for HTML where data is due: from the edge or a proxy, whatever its status says."""
    return "html" in response.headers.get("Content-Type", "").lower()


def web_page(response: httpx.Response) -> SourceUnavailable:
    """The error such an answer stands for."""
    return SourceUnavailable(f"salesforce: {response.request.url.path} answered with a web page instead of data")


def classify_login(response: httpx.Response) -> MgdwError | None:
    """The same for the token endpoint, where 400 means that the login was refused."""
    if response.status_code < 400:
        return None
    code, message = error_of(response)
    if code in _LOGIN_TRANSIENT or response.status_code == 429 or response.status_code >= 500:
        return SourceUnavailable(f"Salesforce login: {message}", retry_after=retry_after(response))
    if response.status_code in (400, 401, 403):
        return CredentialsRefused(
            f"Salesforce refused the login: {message} ({code or response.status_code})", code=code
        )
    return default_classify(response)


def error_of(response: httpx.Response) -> tuple[str | None, str]:
    """(code, message) of an error body; (None, what the body says) if it is no Salesforce error."""
    try:
        body: Any = response.json()
    except ValueError:
        return None, said(response) or f"status {response.status_code} without a body"
    if isinstance(body, list) and body:
        body = cast(list[Any], body)[0]
    if isinstance(body, dict):
        first = cast(dict[str, Any], body)
        code = first.get("errorCode") or first.get("error")
        message = first.get("message") or first.get("error_description") or code
        if isinstance(code, str):
            return code, " ".join(blotted(str(message), response.request).split())
    return None, said(response)


def _request_limit(cause: str, message: str) -> MgdwError:
    if "concurrent" in message.lower():
        return RateLimited(cause, remedy="Lower MGDW_SALESFORCE_TABLES_AT_ONCE and _PAGES_AT_ONCE, then run again.")
    return RateLimited(
        cause,
        remedy="The org's API calls of the last 24 hours are used up: run again later, or raise the org's limit.",
        retry_after=_DAILY_QUOTA_WAIT,
    )


def _bulk_limit(cause: str, message: str) -> MgdwError:
    return RateLimited(
        cause,
        remedy="The org's Bulk API allocation of the last 24 hours is used up: run again later.",
        retry_after=_DAILY_QUOTA_WAIT,
    )


def too_much(cause: str, **facts: object) -> WorkFailed:
    """A query that Salesforce could not finish in its time: less of it may work."""
    return WorkFailed(
        cause,
        remedy="Even small pieces of the object took too long: ask Salesforce support for an index on the table's "
        "cursor, or run again when the org is less busy.",
        too_much=True,
        **facts,
    )


def is_too_much(error: MgdwError) -> bool:
    """True for the errors of `too_much`."""
    return error.facts.get("too_much") is True


def is_timeout(reason: str) -> bool:
    """Whether a failed job's reason is that there was too much to do (texts as met in production)."""
    return _TIMEOUTS.search(reason) is not None


def is_refused_by_bulk(error: MgdwError) -> bool:
    """True when the Bulk API does not do what the REST API may do."""
    return "bulk_refuses" in error.facts


def is_refused_field(error: MgdwError) -> bool:
    """True when the refusal is about a field: Salesforce does not know it, or does not serve it in bulk."""
    return isinstance(error, UnknownField) or error.facts.get("bulk_refuses") == "field"


def is_gone(error: MgdwError) -> bool:
    """True when what was asked for does not exist (any more)."""
    return error.facts.get("status") == 404


def _api_error(cause: str, message: str) -> MgdwError:
    if "implementation restriction" in message.lower():
        return PermissionMissing(
            cause, remedy="Give the integration user the permission 'View All Data' for the object."
        )
    return SourceUnavailable(cause)


def _invalid_entity(cause: str, message: str) -> MgdwError:
    return _refused(cause, "object") if "bulk" in message.lower() else UnknownObject(cause)


def _refused(cause: str, what: str) -> MgdwError:
    return UnknownObject(
        cause, remedy=f"Neither API serves this {what}: take it out of the contract.", bulk_refuses=what
    )


_EXPLAINED: dict[str, Callable[[str, str], MgdwError]] = {
    "API_ERROR": _api_error,
    "INVALIDENTITY": _invalid_entity,
    "INVALID_FIELD": lambda cause, _: UnknownField(cause),
    "INVALID_SESSION_ID": lambda cause, _: CredentialsRefused(
        cause,
        remedy="The session was refused right after a new login: check the app's policies and the user's IP ranges.",
    ),
    "INVALID_TYPE": lambda cause, _: UnknownObject(cause),
    "LIMIT_EXCEEDED": _bulk_limit,
    "MALFORMED_QUERY": lambda cause, _: ConfigurationError(
        cause, remedy="Check `filter`, `object` and the fields of the table in the contract file."
    ),
    "OPERATION_TOO_LARGE": lambda cause, _: too_much(cause),
    "QUERY_TIMEOUT": lambda cause, _: too_much(cause),
    "REQUEST_LIMIT_EXCEEDED": _request_limit,
}
