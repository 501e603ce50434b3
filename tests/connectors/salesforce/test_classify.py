"""What Salesforce's error answers mean to the person who has to act."""

from __future__ import annotations

import httpx
import pytest

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    RetryableError,
    SourceUnavailable,
    UnknownField,
    UnknownObject,
    WorkFailed,
)
from connectors.http import RetryPolicy
from connectors.salesforce.classify import classify, classify_login

REQUEST = httpx.Request("POST", "https://acme.my.salesforce.com/services/data/v62.0/jobs/query")


def answer(status: int, code: str, message: str = "some words") -> httpx.Response:
    return httpx.Response(status, json=[{"errorCode": code, "message": message}], request=REQUEST)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "API_ERROR", "Implementation restriction: ContentDocumentLink requires a filter", PermissionMissing),
        (400, "API_ERROR", "An unexpected error occurred", SourceUnavailable),
        (400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API.", UnknownObject),
        (400, "INVALID_FIELD", "No such column 'X' on entity 'Account'", UnknownField),
        (400, "INVALID_TYPE", "sObject type 'X' is not supported.", UnknownObject),
        (400, "LIMIT_EXCEEDED", "Max bulk v2 query result size stored (1000000000) kb per 24 hrs", RateLimited),
        (400, "MALFORMED_QUERY", "unexpected token: 'FORM'", ConfigurationError),
        (400, "QUERY_TIMEOUT", "Your query request was running for too long.", WorkFailed),
        (401, "INVALID_SESSION_ID", "Session expired or invalid", CredentialsRefused),
        (403, "API_DISABLED_FOR_ORG", "API is disabled", PermissionMissing),
        (403, "INSUFFICIENT_ACCESS", "insufficient access rights", PermissionMissing),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", RateLimited),
        (403, "TXN_SECURITY_METERING_ERROR", "policy", PermissionMissing),
        (404, "NOT_FOUND", "The requested resource does not exist", MgdwError),
        (410, "UNSUPPORTED_API_VERSION", "no longer there", ConfigurationError),
        (500, "UNKNOWN_EXCEPTION", "ErrorId: 1-2 (3)", SourceUnavailable),
        (503, "SERVER_UNAVAILABLE", "come back later", SourceUnavailable),
    ],
)
def test_each_code_has_its_remedy(status: int, code: str, message: str, kind: type[MgdwError]) -> None:
    error = classify(answer(status, code, message))
    assert type(error) is kind
    assert message in error.cause
    assert error.facts["code"] == code
    assert error.remedy


@pytest.mark.parametrize("status", [406, 420, 429, 500, 502, 503, 504])
def test_what_the_edge_answers_in_html_is_tried_again(status: int) -> None:
    page = httpx.Response(status, html="<html><h1>Stale&nbsp;request</h1></html>", request=REQUEST)
    error = classify(page)
    assert isinstance(error, RetryableError)
    assert "Stale request" in error.cause
    assert "<" not in error.cause


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'"text"', b"[1]", b'[{"errorCode": 5}]', b"\xff\xfe", b"{"]
)
@pytest.mark.parametrize("status", [400, 404, 503])
def test_a_body_of_any_kind_still_gives_an_error(status: int, body: bytes) -> None:
    response = httpx.Response(status, content=body, request=REQUEST)
    assert isinstance(classify(response), MgdwError)
    assert isinstance(classify_login(response), MgdwError)


def test_a_used_up_day_is_not_waited_for_but_a_crowd_is() -> None:
    day = classify(answer(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
    crowd = classify(
        answer(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
    )
    assert isinstance(day, RateLimited)
    assert isinstance(crowd, RateLimited)
    assert (day.retry_after or 0) > RetryPolicy().patience
    assert crowd.retry_after is None


def test_a_good_answer_is_no_error() -> None:
    assert classify(httpx.Response(204, request=REQUEST)) is None
    assert classify_login(httpx.Response(200, json={}, request=REQUEST)) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_grant", CredentialsRefused),
        ("invalid_client", CredentialsRefused),
        ("inactive_org", CredentialsRefused),
        ("rate_limit_exceeded", SourceUnavailable),
        ("server_error", SourceUnavailable),
    ],
)
def test_a_login_is_refused_or_to_be_tried_again(code: str, kind: type[MgdwError]) -> None:
    body = {"error": code, "error_description": "because"}
    error = classify_login(httpx.Response(400, json=body, request=REQUEST))
    assert type(error) is kind
    assert "because" in error.cause
