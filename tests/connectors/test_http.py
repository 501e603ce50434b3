"""The HTTP session against a real server on loopback."""

from __future__ import annotations

import asyncio
import gzip
import inspect
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    RateLimited,
    SourceUnavailable,
    TruncatedBody,
    UnknownObject,
)
from connectors.http import Auth, CallBudget, HttpSession, RetryPolicy, Token
from sandbox.faults import FaultInjector, Faults
from sandbox.server import Servers

SECRET = "s3cr3t-of-the-client"
TEXT = b"some,csv\n" * 1000


@dataclass
class Api:
    """A small API: logs in, answers to live tokens, says which requests carried what."""

    url: str = ""
    faults: Faults = field(default_factory=Faults)
    logins: int = 0
    live: set[str] = field(default_factory=set)
    waiting: int = 0
    gather: asyncio.Barrier | None = None
    authorizations: list[str | None] = field(default_factory=list)

    def app(self) -> FaultInjector:
        routes = [
            Route("/token", self.token, methods=["POST"]),
            Route("/rows", self.rows),
            Route("/gz", self.gz),
            Route("/echo", self.echo, methods=["GET", "POST"]),
            Route("/together", self.together),
        ]
        return FaultInjector(Starlette(routes=routes), self.faults)

    async def token(self, request: Request) -> Response:
        self.logins += 1
        if parse_qs((await request.body()).decode())["client_secret"] != [SECRET]:
            return JSONResponse({"error": "invalid_client"}, 401)
        token = f"token-{self.logins}"
        self.live.add(token)
        return JSONResponse({"access_token": token})

    def is_allowed(self, request: Request) -> bool:
        self.authorizations.append(request.headers.get("Authorization"))
        return (self.authorizations[-1] or "").removeprefix("Bearer ") in self.live

    async def rows(self, request: Request) -> Response:
        return JSONResponse([1, 2, 3]) if self.is_allowed(request) else PlainTextResponse("expired", 401)

    async def together(self, request: Request) -> Response:
        """Refuse the first five calls all at the same instant."""
        if self.is_allowed(request):
            return PlainTextResponse("fine")
        assert self.gather is not None
        await self.gather.wait()
        return PlainTextResponse("expired", 401)

    async def gz(self, request: Request) -> Response:
        self.is_allowed(request)
        return Response(gzip.compress(TEXT, mtime=0), headers={"Content-Encoding": "gzip"})

    async def echo(self, request: Request) -> Response:
        """An error page that repeats what it was sent, markup and all."""
        said = f"{request.headers.get('Authorization')} {(await request.body()).decode()}"
        page = f"<!DOCTYPE html><html><head><style>p {{}}</style></head><p>Sorry &amp; bye: {said}</p></html>"
        return Response(page, 400, media_type="text/html")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def api(servers: Servers) -> Api:
    api = Api()
    api.url = servers.serve(api.app())
    return api


@dataclass(frozen=True)
class FormAuth(Auth):
    secret: str = SECRET
    lifetime: float | None = None

    async def fetch(self, client: httpx.AsyncClient) -> Token:
        answer = await client.post("/token", data={"client_secret": self.secret})
        if answer.status_code >= 500:
            raise SourceUnavailable("login is down")
        if answer.status_code != 200:
            raise CredentialsRefused("the login was refused")
        expires_at = None if self.lifetime is None else asyncio.get_running_loop().time() + self.lifetime
        return Token(answer.json()["access_token"], expires_at)


class Clock:
    """Waits at once and remembers how long."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def retry(clock: Clock) -> RetryPolicy:
    return RetryPolicy(attempts=4, sleep=clock.sleep)


@pytest.fixture
async def session(api: Api, retry: RetryPolicy) -> AsyncIterator[HttpSession]:
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry) as session:
        yield session


async def test_a_lost_connection_is_tried_again(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /rows", drop="before", times=2)
    assert (await session.request("GET", "/rows")).json() == [1, 2, 3]


async def test_an_answer_lost_after_the_work_was_done_is_asked_for_again(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /rows", drop="after")
    assert (await session.request("GET", "/rows")).json() == [1, 2, 3]


async def test_a_server_that_stays_down_ends_in_one_clear_error(api: Api, session: HttpSession, clock: Clock) -> None:
    api.faults.arm("GET /rows", status=503, times=None)
    with pytest.raises(SourceUnavailable, match="/rows answered 503"):
        await session.request("GET", "/rows")
    assert len(clock.waits) == 3


def test_six_tries_with_at_most_a_minute_between_are_the_policy_unless_told_otherwise() -> None:
    policy = RetryPolicy()
    assert (policy.attempts, policy.first_wait, policy.longest_wait, policy.patience) == (6, 0.5, 60.0, 300.0)


async def test_nobody_listening_is_explained_with_a_remedy(retry: RetryPolicy) -> None:
    async with HttpSession("http://127.0.0.1:1", name="acme", retry=retry) as session:
        with pytest.raises(SourceUnavailable, match=r"acme: GET /x got no answer") as caught:
            await session.request("GET", "/x?key=value")
    assert "is up and reachable" in caught.value.remedy
    assert "key=value" not in str(caught.value)


async def test_a_login_server_that_is_down_is_asked_as_often_as_the_policy_says(
    api: Api, session: HttpSession, clock: Clock
) -> None:
    api.faults.arm("POST /token", status=503, times=None)
    with pytest.raises(SourceUnavailable):
        await session.request("GET", "/rows")
    assert api.faults.seen.count("POST /token") == 4
    assert len(clock.waits) == 3


async def test_a_server_that_says_nothing_counts_as_down(api: Api) -> None:
    api.faults.arm("GET /rows", delay=0.5)
    async with HttpSession(api.url, name="acme", timeout=0.05, retry=RetryPolicy(attempts=1)) as session:
        with pytest.raises(SourceUnavailable, match="ReadTimeout"):
            await session.request("GET", "/rows")


async def test_the_wait_a_server_asks_for_is_kept(api: Api, session: HttpSession, clock: Clock) -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    api.faults.arm("GET /rows", status=429, headers={"Retry-After": "7"})
    api.faults.arm("GET /rows", status=503, headers={"Retry-After": format_datetime(until, usegmt=True)})
    await session.request("GET", "/rows")
    assert clock.waits[0] == 7
    assert 80 < clock.waits[1] <= 91


async def test_a_date_to_wait_for_is_read_by_the_servers_own_clock(
    api: Api, session: HttpSession, clock: Clock
) -> None:
    headers = {"Date": "Mon, 15 Jun 2026 06:00:00 GMT", "Retry-After": "Mon, 15 Jun 2026 06:00:20 GMT"}
    async with HttpSession(
        "http://acme.invalid",
        name="acme",
        retry=session.retry,
        transport=httpx.MockTransport(lambda _: httpx.Response(429, headers=headers)),
    ) as other:
        with pytest.raises(RateLimited):
            await other.request("GET", "/rows")
    assert clock.waits == [20, 20, 20]


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "", "1e99"])
async def test_a_senseless_retry_after_is_ignored(api: Api, session: HttpSession, clock: Clock, asked: str) -> None:
    api.faults.arm("GET /rows", status=429, headers={"Retry-After": asked})
    await session.request("GET", "/rows")
    assert 0 <= clock.waits[0] <= 0.5


async def test_a_wait_longer_than_our_patience_surfaces_at_once(api: Api, session: HttpSession, clock: Clock) -> None:
    api.faults.arm("GET /rows", status=429, headers={"Retry-After": "86400"})
    with pytest.raises(RateLimited) as caught:
        await session.request("GET", "/rows")
    assert caught.value.retry_after == 86400
    assert clock.waits == []


async def test_a_wait_as_long_as_our_patience_is_kept(api: Api, clock: Clock) -> None:
    api.faults.arm("GET /rows", status=429, headers={"Retry-After": "20"})
    api.faults.arm("GET /rows", status=503)
    retry = RetryPolicy(attempts=4, patience=20, first_wait=0.25, sleep=clock.sleep)
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry) as session:
        assert (await session.request("GET", "/rows")).json() == [1, 2, 3]
    assert clock.waits[0] == 20
    assert len(clock.waits) == 2


async def test_with_no_patience_at_all_what_names_no_wait_is_still_tried_again(api: Api, clock: Clock) -> None:
    api.faults.arm("GET /rows", status=503)
    retry = RetryPolicy(attempts=2, patience=0, sleep=clock.sleep)
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry) as session:
        assert (await session.request("GET", "/rows")).json() == [1, 2, 3]


async def test_many_calls_refused_at_the_same_instant_log_in_once(api: Api, session: HttpSession) -> None:
    await session.token()
    api.live.clear()
    api.gather = asyncio.Barrier(5)
    answers = await asyncio.gather(*(session.request("GET", "/together") for _ in range(5)))
    assert [a.text for a in answers] == ["fine"] * 5
    assert api.logins == 2


async def test_a_stream_refused_for_its_token_is_opened_again_with_a_new_one(api: Api, session: HttpSession) -> None:
    await session.token()
    api.live.clear()
    async with session.stream("GET", "/rows") as answer:
        assert await answer.aread() == b"[1,2,3]"
    assert api.logins == 2


async def test_a_token_refused_right_after_login_ends_it(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /rows", status=401, body="no", times=None)
    with pytest.raises(CredentialsRefused):
        await session.request("GET", "/rows")
    assert api.logins == 2


async def test_a_refused_login_is_not_tried_again_by_anyone(api: Api, retry: RetryPolicy) -> None:
    async with HttpSession(api.url, name="acme", auth=FormAuth(secret="wrong-one"), retry=retry) as session:
        outcomes = await asyncio.gather(*(session.request("GET", "/rows") for _ in range(5)), return_exceptions=True)
        with pytest.raises(CredentialsRefused):
            await session.token()
    assert {type(o) for o in outcomes} == {CredentialsRefused}
    assert api.faults.seen == ["POST /token"]


async def test_a_token_about_to_expire_is_renewed_before_use(api: Api, retry: RetryPolicy) -> None:
    async with HttpSession(api.url, name="acme", auth=FormAuth(lifetime=30), retry=retry) as session:
        await session.request("GET", "/rows")
        await session.request("GET", "/rows")
    assert api.authorizations == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_of_an_earlier_session_is_no_reason_not_to_log_in(api: Api, session: HttpSession) -> None:
    token = await session.token(stale=Token("of-yesterday"))
    assert token is not None
    assert token.value == "token-1"


async def test_a_login_survives_the_caller_who_started_it(api: Api, session: HttpSession) -> None:
    api.faults.arm("POST /token", delay=0.1)
    first = asyncio.create_task(session.token())
    second = asyncio.create_task(session.token())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second) is not None
    assert api.logins == 1


async def test_the_token_goes_to_the_apis_own_host_only(api: Api, servers: Servers, session: HttpSession) -> None:
    elsewhere = Api()
    elsewhere.url = servers.serve(elsewhere.app())
    await session.request("GET", f"{api.url}/rows")
    async with session.stream("GET", f"{elsewhere.url}/gz") as answer:
        assert answer.is_success
    assert api.authorizations == ["Bearer token-1"]
    assert elsewhere.authorizations == [None]


async def test_the_address_in_the_token_replaces_the_login_address(api: Api, servers: Servers) -> None:
    instance = Api(live={"token-1"})
    instance.url = servers.serve(instance.app())

    class Elsewhere(FormAuth):
        async def fetch(self, client: httpx.AsyncClient) -> Token:
            return Token((await super().fetch(client)).value, base_url=instance.url)

    async with HttpSession(api.url, name="acme", auth=Elsewhere()) as session:
        await session.request("GET", "/rows")
        await session.request("GET", f"{instance.url}/rows")
    assert instance.authorizations == ["Bearer token-1", "Bearer token-1"]
    assert api.authorizations == []


async def test_a_proxy_from_the_environment_is_not_used_for_this_machine(
    api: Api, monkeypatch: pytest.MonkeyPatch, retry: RetryPolicy
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry) as session:
        assert (await session.request("GET", "/rows")).json() == [1, 2, 3]


async def test_a_request_is_decoded_and_a_stream_is_as_sent(session: HttpSession) -> None:
    assert (await session.request("GET", "/gz")).content == TEXT
    async with session.stream("GET", "/gz") as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert gzip.decompress(raw) == TEXT


async def test_a_stream_that_breaks_off_is_said_to_be_truncated(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /gz", truncate_after=20)
    with pytest.raises(TruncatedBody, match="ended before its body was whole"):
        async with session.stream("GET", "/gz") as answer:
            async for _ in answer.aiter_raw():
                pass


async def test_work_around_a_stream_is_tried_again_until_the_body_is_whole(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /gz", truncate_after=20, times=2)

    async def copy() -> bytes:
        async with session.stream("GET", "/gz") as answer:
            return b"".join([chunk async for chunk in answer.aiter_raw()])

    assert gzip.decompress(await session.retrying(copy)) == TEXT


async def test_a_truncated_answer_to_a_request_is_tried_again(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /gz", truncate_after=20)
    assert (await session.request("GET", "/gz")).content == TEXT


async def test_a_body_that_is_not_the_gzip_it_claims_to_be_is_tried_again(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /gz", status=200, headers={"Content-Encoding": "gzip"}, body=b"plain text")
    assert (await session.request("GET", "/gz")).content == TEXT


async def test_an_error_page_is_told_in_words_without_its_markup(api: Api, retry: RetryPolicy) -> None:
    async with HttpSession(api.url, name="acme", retry=retry) as session:
        with pytest.raises(MgdwError) as caught:
            await session.request("GET", "/echo")
    assert caught.value.cause == "GET /echo answered 400: Sorry & bye: None"


async def test_no_secret_reaches_an_error_text_or_a_repr(api: Api, session: HttpSession) -> None:
    texts: list[str] = []
    for call in (
        session.request("GET", "/echo"),
        session.request("POST", "/echo", data={"client_secret": SECRET, "assertion": "ey.ey.ey"}),
        session.request("POST", "/echo", headers={"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}),
    ):
        with pytest.raises(MgdwError) as caught:
            await call
        texts += [str(caught.value), repr(caught.value), repr(caught.value.facts)]
    token = await session.token()
    texts += [repr(session), repr(token), str(token)]
    for secret in (SECRET, "ey.ey.ey", "token-1", "dXNlcjpwYXNzd29yZA"):
        assert not [text for text in texts if secret in text]


async def test_an_answer_that_sends_us_elsewhere_is_not_followed(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /rows", status=302, headers={"Location": "http://evil.example/?token=abc"})
    with pytest.raises(ConfigurationError, match=r"moved to http://evil\.example/") as caught:
        await session.request("GET", "/rows")
    assert "abc" not in str(caught.value)


async def test_every_call_is_counted(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /rows", status=503)
    await session.request("GET", "/rows")
    assert session.calls == len(api.faults.seen) == 3


async def test_a_run_stops_at_the_calls_it_may_make(api: Api, clock: Clock, retry: RetryPolicy) -> None:
    budget = CallBudget(most=3)
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry, budget=budget) as session:
        await session.request("GET", "/rows")
        await session.request("GET", "/rows")
        with pytest.raises(RateLimited, match="3 calls it may make") as caught:
            await session.request("GET", "/rows")
    assert "quota" in caught.value.remedy
    assert len(api.faults.seen) == 3
    assert clock.waits == []


async def test_a_run_stops_before_the_apis_own_quota_is_gone(api: Api, retry: RetryPolicy) -> None:
    budget = CallBudget(
        share=0.9, read_usage=lambda headers: (int(headers["Used"]), 1000) if "Used" in headers else None
    )
    api.faults.arm("GET /rows", headers={"Used": "899"})
    api.faults.arm("GET /rows", headers={"Used": "900"})
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry, budget=budget) as session:
        await session.request("GET", "/rows")
        await session.request("GET", "/rows")
        with pytest.raises(RateLimited, match="900 of 1000 API calls are used, and the last 100 are kept") as caught:
            await session.request("GET", "/rows")
    assert "24 hours" in caught.value.remedy
    assert caught.value.facts == {"used": 900, "allowed": 1000, "reserved": 100}


async def test_an_answer_that_is_silent_on_the_quota_leaves_what_was_known_of_it(api: Api, retry: RetryPolicy) -> None:
    budget = CallBudget(
        share=0.9, read_usage=lambda headers: (int(headers["Used"]), 1000) if "Used" in headers else None
    )
    api.faults.arm("GET /rows", headers={"Used": "899"})
    async with HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry, budget=budget) as session:
        await session.request("GET", "/rows")
        await session.request("GET", "/rows")
    assert budget.usage == (899, 1000)


async def test_without_a_share_of_our_own_the_whole_quota_may_be_used() -> None:
    budget = CallBudget(usage=(999, 1000))
    budget.check("acme", 5)
    budget.usage = (1000, 1000)
    with pytest.raises(RateLimited, match="1000 of 1000 API calls are used, and the last 0 are kept"):
        budget.check("acme", 5)


async def test_a_session_tells_where_its_calls_go(api: Api, retry: RetryPolicy) -> None:
    async with HttpSession("https://open.example", name="acme", retry=retry) as session:
        assert await session.base_url() == "https://open.example"


async def test_a_session_tells_the_address_its_login_named(api: Api) -> None:
    class Elsewhere(FormAuth):
        async def fetch(self, client: httpx.AsyncClient) -> Token:
            return Token((await super().fetch(client)).value, base_url="https://instance.example")

    async with HttpSession(api.url, name="acme", auth=Elsewhere()) as session:
        assert await session.base_url() == "https://instance.example"
    async with HttpSession(api.url, name="acme", auth=FormAuth()) as session:
        assert await session.base_url() == api.url


def test_a_token_is_fresh_until_a_minute_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    fresh = {end: Token("t", end).is_fresh for end in (None, 1000.0, 1060.0, 1060.5, 1061.0, 2000.0)}
    assert fresh == {None: True, 1000.0: False, 1060.0: False, 1060.5: True, 1061.0: True, 2000.0: True}


async def test_two_minutes_of_silence_and_a_quarter_minute_to_connect_are_the_limits_unless_told_otherwise() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    wire = httpx.MockTransport(answer)
    for session in (
        HttpSession("https://acme.example", name="acme", transport=wire),
        HttpSession("https://acme.example", name="acme", transport=wire, timeout=7.0),
    ):
        async with session:
            await session.request("GET", "/rows")
    assert [request.extensions["timeout"] for request in seen] == [
        {"connect": 15.0, "read": read, "write": read, "pool": None} for read in (120.0, 7.0)
    ]
    assert inspect.signature(HttpSession).parameters["connections"].default == 10


async def test_a_session_that_was_left_sends_nothing_more(api: Api, retry: RetryPolicy) -> None:
    async with HttpSession(api.url, name="acme", retry=retry) as session:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await session.request("GET", "/gz")
    assert api.faults.seen == []


async def test_a_login_under_way_ends_with_its_session(api: Api, retry: RetryPolicy) -> None:
    class Endless(FormAuth):
        async def fetch(self, client: httpx.AsyncClient) -> Token:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    started, before = asyncio.Event(), asyncio.all_tasks()
    async with asyncio.timeout(10):
        async with HttpSession(api.url, name="acme", auth=Endless(), retry=retry) as session:
            caller = asyncio.create_task(session.token())
            await started.wait()
            (login,) = asyncio.all_tasks() - before - {caller}
        outcomes = await asyncio.gather(login, caller, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}


class TestOneConnection:
    """A connection that is not given back is missed by the next call, which would wait for ever."""

    @pytest.fixture
    async def narrow(self, api: Api, retry: RetryPolicy) -> AsyncIterator[HttpSession]:
        async with (
            asyncio.timeout(10),
            HttpSession(api.url, name="acme", auth=FormAuth(), retry=retry, connections=1) as session,
        ):
            yield session

    async def test_a_stream_left_in_its_middle_gives_it_back(self, narrow: HttpSession) -> None:
        async with asyncio.timeout(10):
            async with narrow.stream("GET", "/gz") as answer:
                assert answer.is_success
            assert (await narrow.request("GET", "/rows")).json() == [1, 2, 3]

    async def test_a_refused_token_gives_it_back(self, api: Api, narrow: HttpSession) -> None:
        async with asyncio.timeout(10):
            await narrow.token()
            api.live.clear()
            assert (await narrow.request("GET", "/rows")).json() == [1, 2, 3]

    async def test_a_body_that_cannot_be_unpacked_gives_it_back(self, api: Api) -> None:
        api.faults.arm("GET /gz", status=200, headers={"Content-Encoding": "gzip"}, body=b"plain text" * 100_000)
        once = RetryPolicy(attempts=1)
        async with (
            asyncio.timeout(10),
            HttpSession(api.url, name="acme", auth=FormAuth(), retry=once, connections=1) as session,
        ):
            with pytest.raises(TruncatedBody):
                await session.request("GET", "/gz")
            assert (await session.request("GET", "/gz")).content == TEXT


async def test_an_error_in_place_of_a_stream_is_told_as_one(api: Api, session: HttpSession) -> None:
    api.faults.arm("GET /gz", status=503, body="closed for today")
    with pytest.raises(SourceUnavailable, match="closed for today"):
        async with session.stream("GET", "/gz"):
            raise AssertionError("no stream")


async def test_headers_of_a_call_go_with_the_token(api: Api, session: HttpSession) -> None:
    with pytest.raises(MgdwError) as caught:
        await session.request("POST", "/echo", data={"said": "aloud"}, headers={"X-Note": "hello"})
    assert "aloud" in caught.value.cause
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"access_token": "t"})

    transport = httpx.MockTransport(answer)
    async with HttpSession("https://acme.example", name="acme", auth=FormAuth(), transport=transport) as other:
        await other.request("GET", "/rows", headers={"X-Note": "hello"})
    assert (seen[-1]["X-Note"], seen[-1]["Authorization"]) == ("hello", "Bearer t")


async def test_a_refusal_elsewhere_brings_no_login_and_no_token_there(
    api: Api, servers: Servers, session: HttpSession
) -> None:
    elsewhere = Api()
    elsewhere.url = servers.serve(elsewhere.app())
    with pytest.raises(CredentialsRefused):
        await session.request("GET", f"{elsewhere.url}/rows")
    assert elsewhere.authorizations == [None]
    assert api.logins == 0


async def test_an_open_endpoint_that_refuses_is_asked_once(api: Api, retry: RetryPolicy) -> None:
    async with HttpSession(api.url, name="acme", retry=retry) as session:
        with pytest.raises(CredentialsRefused):
            await session.request("GET", "/rows")
        assert session.calls == 1


async def test_an_answer_is_explained_by_the_connector_and_else_by_its_status(api: Api, retry: RetryPolicy) -> None:
    def explained(response: httpx.Response) -> MgdwError | None:
        return UnknownObject("no such thing") if response.status_code < 300 else None

    api.faults.arm("GET /gz", status=503, times=4)
    async with HttpSession(api.url, name="acme", classify=explained, retry=retry) as session:
        with pytest.raises(SourceUnavailable, match="/gz answered 503"):
            await session.request("GET", "/gz")
        with pytest.raises(UnknownObject, match="no such thing"):
            await session.request("GET", "/gz")


async def test_a_budget_that_is_spent_has_room_again_in_an_hour_at_the_earliest() -> None:
    with pytest.raises(RateLimited) as caught:
        CallBudget(most=0).check("acme", 0)
    assert caught.value.retry_after == 3600
