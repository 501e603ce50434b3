"""What Zuora's answers mean; an error may well come with status 200."""

from __future__ import annotations

import re
from typing import Any

import httpx

from connectors.answers import default_classify, retry_after, said
from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    TruncatedBody,
    UnknownField,
    UnknownObject,
    WorkFailed,
)

NO_DELETES = {"90012", "90017"}
"""AQuA codes: stateless jobs, or this object, cannot show deleted records."""

_CATEGORIES: dict[str, type[MgdwError]] = {
    "10": PermissionMissing,
    "11": CredentialsRefused,
    "40": UnknownObject,
    "50": SourceUnavailable,
    "60": SourceUnavailable,
    "61": SourceUnavailable,
    "70": RateLimited,
}
"""By the last two digits of a reason's code: access, authentication, not found, locked, internal, temporary, rate."""

_LONGEST = 400
"""Characters of a message that are shown."""
_TOO_MANY = re.compile(r"concurrent|too many|limit (is |was |has been |)(reached|exceeded)", re.IGNORECASE)

_AQUA: dict[str, type[MgdwError]] = {"90005": UnknownField, "90009": PermissionMissing}


class DeletesUnsupported(ConfigurationError):
    """AQuA will not show deleted records in this kind of job."""


def classify(response: httpx.Response) -> MgdwError | None:
    """The error an answer stands for, or None if it is fine. Bodies of jobs are judged by `aqua_problem`."""
    body = response.content.lstrip()[:1]
    if response.is_success and body == b"<" and "xml" not in response.headers.get("Content-Type", ""):
        return SourceUnavailable(
            f"zuora: {response.request.url.path} answered with a web page: {said(response)}",
            remedy="Zuora shows such a page during maintenance: run again later. If it stays, check the base URL.",
        )
    answer = _json(response) if body == b"{" else None
    if response.is_success and body == b"{" and answer is None:
        return TruncatedBody(f"zuora: {response.request.url.path} answered JSON that ends in mid-text")
    problem = _reasons(response, answer or {}) or default_classify(response)
    if isinstance(problem, RateLimited) and problem.retry_after is None:
        problem.retry_after = _reset(response)
    return problem


def aqua_problem(answer: dict[str, Any], what: str) -> MgdwError | None:
    """The error inside an AQuA answer (its codes come with status 200), or None."""
    code = str(answer.get("errorCode") or "")
    if not code:
        return None
    # Zuora quotes the query, which may name hundreds of fields.
    cause = f"zuora: {what}: {code} {str(answer.get('message') or '')[:_LONGEST]}".rstrip()
    if code in NO_DELETES:
        return DeletesUnsupported(cause, code=code)
    if "no object named" in cause.lower():
        return UnknownObject(cause, code=code)
    return _AQUA.get(code, WorkFailed)(cause, code=code)


def too_many_jobs(problem: MgdwError) -> bool:
    """True when a job was refused because 50 others run. Zuora documents the limit, but no code for it."""
    return type(problem) is WorkFailed and _TOO_MANY.search(problem.cause) is not None


def refused_field(cause: str) -> str | None:
    """The field that a syntax error is about, as its query wrote it, if it says so.

    AQuA says `There is no field named X`, Data Query `Column 'X' cannot be resolved`.
    """
    found = re.search(r"no field named '?([\w.]+)|column '?([\w.]+)'? cannot be resolved", cause, re.IGNORECASE)
    return (found[1] or found[2]).rstrip(".") if found else None


def refused_query(cause: str) -> str:
    """The start of the query that a syntax error is about, in lower case; empty if it does not say."""
    found = re.search(r"Query = (select .*)", cause, re.IGNORECASE)
    return found[1].rstrip(').," ').lower() if found else ""


def _reset(response: httpx.Response) -> float | None:
    """Seconds until the window of the rate limit ends."""
    text = response.headers.get("RateLimit-Reset", "").strip()
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _reasons(response: httpx.Response, answer: dict[str, Any]) -> MgdwError | None:
    """Errors of the v1 style (`success: false, reasons`) and the CRUD style (`Success: false, Errors`)."""
    where = f"zuora: {response.request.url.path}"
    if answer.get("success") is False:
        reasons: list[dict[str, Any]] = answer.get("reasons") or []
        text = "; ".join(f"{r.get('code')} {r.get('message')}" for r in reasons) or said(response)
        kind = next((_CATEGORIES[c] for r in reasons if (c := str(r.get("code"))[-2:]) in _CATEGORIES), None)
        if response.status_code == 401:
            kind = CredentialsRefused
        return _made(kind or MgdwError, f"{where}: {text}", response)
    if answer.get("Success") is False or "faultcode" in answer:
        return _made(MgdwError, f"{where}: {said(response)}", response)
    return None


def _made(kind: type[MgdwError], cause: str, response: httpx.Response) -> MgdwError:
    if issubclass(kind, (RateLimited, SourceUnavailable)):
        return kind(cause, retry_after=retry_after(response), status=response.status_code)
    if kind is MgdwError and not response.is_success:
        return default_classify(response) or kind(cause)
    return kind(cause, status=response.status_code)


def _json(response: httpx.Response) -> dict[str, Any] | None:
    try:
        return response.json()
    except ValueError:
        return None
