"""The webhook answers as Slack does and keeps what it received."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sandbox.faults import Faults
from sandbox.server import Servers
from sandbox.slack import SlackWorkspace, create_app


@pytest.fixture
def workspace() -> SlackWorkspace:
    return SlackWorkspace()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def url(workspace: SlackWorkspace, faults: Faults) -> Iterator[str]:
    with Servers() as servers:
        yield servers.serve(create_app(workspace, faults))


def test_a_message_is_taken_and_kept(url: str, workspace: SlackWorkspace) -> None:
    payload = {"text": "*daily-refresh* failed", "blocks": [{"type": "divider"}]}
    answer = httpx.post(url + workspace.path, json=payload)
    assert (answer.status_code, answer.text) == (200, "ok")
    assert workspace.messages == [payload]
    assert workspace.texts == ["*daily-refresh* failed"]


@pytest.mark.parametrize(
    ("body", "content_type", "problem"),
    [
        (b"{", "application/json", "invalid_payload"),
        (b"[1]", "application/json", "invalid_payload"),
        (b'{"text": "x"}', "text/plain", "invalid_payload"),
        (b"{}", "application/json", "no_text"),
        (b'{"text": "%s"}' % (b"x" * 40_001), "application/json; charset=utf-8", "msg_too_long"),
    ],
)
def test_a_payload_that_is_no_message_is_refused(
    url: str, workspace: SlackWorkspace, body: bytes, content_type: str, problem: str
) -> None:
    answer = httpx.post(url + workspace.path, content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.text) == (400, problem)
    assert workspace.messages == []


def test_a_wrong_address_is_refused(url: str, workspace: SlackWorkspace) -> None:
    good = {"text": "x"}
    wrong_token = httpx.post(f"{url}/services/{workspace.team}/{workspace.service}/wrong", json=good)
    assert (wrong_token.status_code, wrong_token.text) == (403, "invalid_token")
    for path in ("/services/T1/B1/x", f"/services/{workspace.team}/B1/x", "/elsewhere"):
        assert httpx.post(url + path, json=good).status_code == 404
    assert workspace.messages == []


def test_faults_reach_the_webhook(url: str, workspace: SlackWorkspace, faults: Faults) -> None:
    faults.arm("POST /services", status=429, headers={"Retry-After": "1"})
    assert httpx.post(url + workspace.path, json={"text": "x"}).status_code == 429
    assert httpx.post(url + workspace.path, json={"text": "x"}).status_code == 200
