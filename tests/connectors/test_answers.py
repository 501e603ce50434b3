"""What an HTTP answer means."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from connectors.answers import blotted, default_classify, retry_after, said, server_clock
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
        (300, ConfigurationError),
        (302, ConfigurationError),
        (399, ConfigurationError),
        (400, MgdwError),
        (401, CredentialsRefused),
        (403, PermissionMissing),
        (404, MgdwError),
        (406, SourceUnavailable),
        (408, SourceUnavailable),
        (420, RateLimited),
        (425, SourceUnavailable),
        (429, RateLimited),
        (500, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_a_status_says_what_to_do(status: int, kind: type[MgdwError]) -> None:
    error = default_classify(answer(status, text="because"))
    assert error is not None
    assert type(error) is kind
    assert f"GET /things answered {status}: {'moved to nowhere' if status < 400 else 'because'}" in error.cause
    assert error.facts == {"status": status}
    assert "hidden" not in error.cause


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_good_answer_is_no_error(status: int) -> None:
    assert default_classify(answer(status)) is None


def test_an_answer_that_sends_us_elsewhere_says_where_without_what_is_secret() -> None:
    error = default_classify(answer(307, headers={"Location": "https://new.example/things?token=abc"}))
    assert error is not None
    assert error.cause == "GET /things answered 307: moved to https://new.example/things"


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_asked_for_goes_with_the_error(status: int) -> None:
    error = default_classify(answer(status, headers={"Retry-After": "7"}))
    assert isinstance(error, RateLimited | SourceUnavailable)
    assert error.retry_after == 7


def test_the_other_sides_clock_is_read_where_it_tells_it() -> None:
    told = answer(200, headers={"Date": "Mon, 15 Jun 2026 08:00:00 +0200"})
    assert server_clock(told) == datetime(2026, 6, 15, 6, tzinfo=UTC)
    assert server_clock(answer(200)) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0),
        ({"Retry-After": "Mon, 15 Jun 2026 06:01:00 GMT", "Date": "Mon, 15 Jun 2026 06:00:00 GMT"}, 60),
        ({"Retry-After": "Mon, 15 Jun 2026 06:01:00 -0000", "Date": "Mon, 15 Jun 2026 08:00:00 +0200"}, 60),
        ({"Retry-After": "tomorrow"}, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -0100"}, None),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
def test_the_wait_asked_for_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(answer(503, headers=headers)) == seconds


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock shows New York's time."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
def test_a_date_that_names_no_zone_is_utc_wherever_we_are() -> None:
    told = answer(200, headers={"Date": "Mon, 15 Jun 2026 06:00:00 -0000"})
    assert server_clock(told) == datetime(2026, 6, 15, 6, tzinfo=UTC)


def test_a_page_is_told_without_markup_scripts_and_line_breaks() -> None:
    page = "<!doctype html>\n<title>502 Bad\n Gateway</title><script>var a = '<p>';</script><p>nginx</p>"
    assert said(answer(html=page)) == "502 Bad Gateway nginx"


def test_a_long_text_is_cut() -> None:
    assert said(answer(text="x" * 5000)) == said(answer(text="x" * 301)) == "x" * 299 + "…"
    assert said(answer(text="x" * 300)) == "x" * 300


def test_only_the_beginning_of_a_page_is_looked_through() -> None:
    assert said(answer(text=f"<p>{' ' * 19_996}yes")) == "y"


def test_a_body_that_is_no_text_is_told_somehow() -> None:
    assert isinstance(said(answer(content=b"\xff\xfe\x00bytes")), str)


def test_the_token_of_the_request_is_blotted_out() -> None:
    assert said(answer(text="session tok-123 expired")) == "session *** expired"


def _sent(authorization: str | None = None, **form: str) -> httpx.Request:
    headers = {"Authorization": authorization} if authorization else {}
    return httpx.Request("POST", "https://api.example/token", headers=headers, data=form or None)


def test_the_password_of_a_basic_login_is_blotted_out() -> None:
    credentials = base64.b64encode(b"ada:pass:word").decode()
    text = f"ada may not log in with pass:word ({credentials})"
    assert blotted(text, _sent(f"Basic {credentials}")) == "ada may not log in with *** (***)"


@pytest.mark.parametrize("credentials", ["anVzdGF0b2tlbg==", "YWRhOn!A=", "gP8=", "no"])
def test_basic_credentials_that_are_none_blot_out_nothing_else(credentials: str) -> None:
    assert blotted(f"hello p, {credentials}", _sent(f"Basic {credentials}")) == "hello p, ***"


def test_secrets_of_a_form_are_blotted_out_and_its_other_fields_are_not() -> None:
    form = {"client_secret": "s1", "assertion": "s2", "password": "s3", "refresh_token": "s4", "code": "s5"}
    sent = _sent(grant_type="open", client_assertion="s6", **form)
    assert blotted("open s1 s2 s3 s4 s5 s6", sent) == "open *** *** *** *** *** ***"


def test_a_text_is_left_as_it_is_where_nothing_secret_was_sent() -> None:
    assert blotted("hello client_secret=s1", _sent()) == "hello client_secret=s1"
    json = httpx.Request("POST", "https://api.example/token", content=b"password=s1")
    assert blotted("s1", json) == "s1"
