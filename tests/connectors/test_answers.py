"""What an HTTP answer means."""

from __future__ import annotations

import httpx
import pytest

from connectors.answers import default_classify, retry_after, said
from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
)


def answer(status: int = 400, *, headers: dict[str, str] | None = None, **body: object) -> httpx.Response:
    request = httpx.Request("GET", "https://api.example/things?key=hidden", headers={"Authorization": "Bearer tok-123"})
    return httpx.Response(status, headers=headers, request=request, **body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ConfigurationError),
        (400, MgdwError),
        (401, CredentialsRefused),
        (403, PermissionMissing),
        (404, MgdwError),
        (406, SourceUnavailable),
        (408, SourceUnavailable),
        (420, RateLimited),
        (429, RateLimited),
        (500, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_a_status_says_what_to_do(status: int, kind: type[MgdwError]) -> None:
    error = default_classify(answer(status, text="because"))
    assert type(error) is kind
    assert f"GET /things answered {status}" in error.cause
    assert "hidden" not in error.cause


def test_a_good_answer_is_no_error() -> None:
    assert default_classify(answer(204)) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0),
        ({"Retry-After": "Mon, 15 Jun 2026 06:01:00 GMT", "Date": "Mon, 15 Jun 2026 06:00:00 GMT"}, 60),
        ({"Retry-After": "Mon, 15 Jun 2026 06:01:00 -0000", "Date": "Mon, 15 Jun 2026 08:00:00 +0200"}, 60),
        ({"Retry-After": "tomorrow"}, None),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
def test_the_wait_asked_for_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(answer(503, headers=headers)) == seconds


def test_a_page_is_told_without_markup_scripts_and_line_breaks() -> None:
    page = "<!doctype html>\n<title>502 Bad\n Gateway</title><script>var a = '<p>';</script><p>nginx</p>"
    assert said(answer(html=page)) == "502 Bad Gateway nginx"


def test_a_long_text_is_cut() -> None:
    assert said(answer(text="x" * 5000)) == "x" * 299 + "…"


def test_a_body_that_is_no_text_is_told_somehow() -> None:
    assert isinstance(said(answer(content=b"\xff\xfe\x00bytes")), str)


def test_the_token_of_the_request_is_blotted_out() -> None:
    assert said(answer(text="session tok-123 expired")) == "session *** expired"
