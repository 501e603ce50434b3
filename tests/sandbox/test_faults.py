"""Faults do to a real client over a real socket what they say."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from sandbox.faults import FaultInjector, Faults
from sandbox.server import Servers


class Counting:
    """An app that counts how often it did its work."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.served = 0

        async def hello(request: Request) -> PlainTextResponse:
            self.served += 1
            return PlainTextResponse("hello world", headers={"X-Rows": "11"})

        async def stream(request: Request) -> StreamingResponse:
            self.served += 1
            return StreamingResponse(iter([b"x" * 100_000] * 10))

        routes = [Route("/hello", hello, methods=["GET", "POST"]), Route("/stream", stream)]
        self.app = FaultInjector(Starlette(routes=routes), self.faults)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def client(counting: Counting) -> Iterator[httpx.Client]:
    with Servers() as servers, httpx.Client(base_url=servers.serve(counting.app)) as client:
        yield client


def test_without_faults_the_app_answers_and_requests_are_noted(counting: Counting, client: httpx.Client) -> None:
    assert client.get("/hello?a=1").text == "hello world"
    assert counting.faults.seen == ["GET /hello"]


def test_a_status_fault_answers_instead_of_the_app_as_often_as_asked(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm(r"GET /hello\?page=2", times=2, status=429, headers={"Retry-After": "3"}, body={"why": "slow"})
    assert client.get("/hello?page=1").status_code == 200
    answers = [client.get("/hello?page=2") for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "3"
    assert answers[0].json() == {"why": "slow"}
    assert counting.served == 2
    assert counting.faults.pending == []


def test_after_lets_the_first_requests_pass(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm("/hello", after=2, status=503)
    assert [client.get("/hello").status_code for _ in range(4)] == [200, 200, 503, 200]


def test_times_none_hits_every_request_until_cleared(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm("/hello", times=None, status=500)
    assert [client.get("/hello").status_code for _ in range(3)] == [500] * 3
    assert len(counting.faults.pending) == 1
    counting.faults.clear()
    assert client.get("/hello").status_code == 200


def test_a_dropped_request_never_reaches_the_app(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm("/hello", drop="before")
    # What of the request was not read yet when the connection closed makes the system answer with a reset.
    with pytest.raises((httpx.RemoteProtocolError, httpx.NetworkError)):
        client.post("/hello", content=b"x")
    assert counting.served == 0
    assert client.get("/hello").status_code == 200


def test_a_lost_answer_was_worked_on(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm("/hello", drop="after")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/hello")
    assert counting.served == 1


@pytest.mark.parametrize("path", ["/hello", "/stream"])
def test_a_truncated_body_ends_early_and_the_client_notices(
    counting: Counting, client: httpx.Client, path: str
) -> None:
    counting.faults.arm(path, truncate_after=5)
    received = b""
    with pytest.raises(httpx.RemoteProtocolError), client.stream("GET", path) as response:
        for chunk in response.iter_raw():
            received += chunk
    assert len(received) == 5
    assert len(client.get(path).content) > 5


def test_headers_alone_are_changed_in_the_apps_own_answer(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm("/hello", headers={"X-Rows": "12", "X-New": "1"})
    answer = client.get("/hello")
    assert (answer.text, answer.headers["X-Rows"], answer.headers["X-New"]) == ("hello world", "12", "1")


def test_an_act_runs_before_the_app(counting: Counting, client: httpx.Client) -> None:
    before: list[int] = []
    counting.faults.arm("/hello", act=lambda: before.append(counting.served))
    assert client.get("/hello").text == "hello world"
    assert before == [0]


def test_a_delay_slows_the_answer_down(counting: Counting, client: httpx.Client) -> None:
    counting.faults.arm("/hello", delay=0.2)
    assert client.get("/hello").elapsed.total_seconds() >= 0.2
