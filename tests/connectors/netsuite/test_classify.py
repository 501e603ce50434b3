"""NetSuite's error bodies, as public sources show them, and what becomes of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

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
from connectors.netsuite.classify import classify
from connectors.netsuite.fields import missing_fields

INVALID = "Invalid search query. Detailed unprocessed description follows. Search error occurred: "


def answer(status: int, code: str = "", detail: str = "", **more: Any) -> httpx.Response:
    request = httpx.Request("POST", "https://1.suitetalk.api.netsuite.com/services/rest/query/v1/suiteql")
    body = {"title": "?", "status": status, "o:errorDetails": [{"detail": detail, "o:errorCode": code}], **more}
    return httpx.Response(status, json=body, request=request)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(429, "CONCURRENCY_LIMIT_EXCEEDED"), RateLimited),
        (answer(400, "CONCURRENCY_LIMIT_EXCEEDED"), RateLimited),
        (answer(429, "USER_ERROR", **{"o:errorCode": "USER_ERROR"}), RateLimited),
        (answer(400, "SSS_REQUEST_LIMIT_EXCEEDED"), RateLimited),
        (answer(401, "INVALID_LOGIN"), CredentialsRefused),
        (answer(403, "INSUFFICIENT_PERMISSION"), PermissionMissing),
        (answer(400, "INVALID_PARAMETER", INVALID + "Record 'Nope' was not found."), UnknownObject),
        (answer(400, "INVALID_PARAMETER", INVALID + "Field 'x' for record 'item' was not found."), UnknownField),
        (
            answer(400, "INVALID_PARAMETER", INVALID + "Unknown identifier 'x'. Available identifiers are: {}"),
            UnknownField,
        ),
        (answer(500, "UNEXPECTED_ERROR"), SourceUnavailable),
        (answer(400, "INVALID_PARAMETER", "something else"), MgdwError),
    ],
)
def test_an_error_body_has_one_meaning(response: httpx.Response, kind: type[MgdwError]) -> None:
    assert type(classify(response)) is kind


def test_a_body_that_is_fine_is_no_error() -> None:
    request = httpx.Request("POST", "https://x/")
    assert classify(httpx.Response(200, content=b'{"items":[]}\n', request=request)) is None
    assert isinstance(classify(httpx.Response(200, content=b'{"items":[', request=request)), TruncatedBody)


@pytest.mark.parametrize("names_it", [True, False])
@pytest.mark.parametrize("lacking", [set[str](), {"a"}, {"c", "h"}, {"a", "b", "c", "d", "e", "f", "g", "h"}])
async def test_all_missing_fields_are_found_whether_the_answer_names_them_or_not(
    names_it: bool, lacking: set[str]
) -> None:
    async def probe(fields: object) -> None:
        for field in fields:  # type: ignore[attr-defined]
            if field in lacking:
                raise UnknownField("?", fields=(field.upper(),) if names_it else ())

    assert set(await missing_fields(tuple("abcdefgh"), probe)) == lacking
