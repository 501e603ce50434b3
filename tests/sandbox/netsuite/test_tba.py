"""Signed requests are let in once, when they are signed for just this address and now."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from connectors.netsuite.tba import TokenKeys, authorization
from tests.sandbox.netsuite.conftest import SUITEQL, Served

QUERY = {"q": "SELECT id FROM customer WHERE id = 1"}


def keys(served: Served, **changes: str) -> TokenKeys:
    own = served.account.credentials
    return TokenKeys(
        **{
            "realm": own.account, "consumer_key": own.client_id, "consumer_secret": own.consumer_secret,
            "token_id": own.token_id, "token_secret": own.token_secret, **changes,
        }
    )  # fmt: skip


def ask(served: Served, header: str, params: dict[str, int] | None = None) -> httpx.Response:
    headers = {"Authorization": header, "Prefer": "transient"}
    return httpx.post(served.url + SUITEQL, params=params or {"limit": 5, "offset": 0}, json=QUERY, headers=headers)


def signed(served: Served, nonce: str, *, age: int = 0, method: str = "POST", **changes: Any) -> str:
    url = f"{served.url}{SUITEQL}?limit=5&offset=0"
    return authorization(keys(served, **changes), method, url, timestamp=int(time.time()) - age, nonce=nonce)


def test_a_signed_request_is_served(served: Served) -> None:
    assert ask(served, signed(served, "first")).json()["items"] == [{"links": [], "id": "1"}]


def test_the_same_signature_is_refused_a_second_time(served: Served) -> None:
    header = signed(served, "second")
    assert [ask(served, header).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    "change",
    [
        {"age": 600}, {"age": -600}, {"method": "GET"}, {"realm": "9"}, {"consumer_key": "x"}, {"token_id": "x"},
        {"consumer_secret": "x"}, {"token_secret": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_signed_otherwise_is_refused(served: Served, change: dict[str, Any]) -> None:
    answer = ask(served, signed(served, f"nonce {change}", **change))
    assert answer.status_code == 401
    assert answer.json()["o:errorDetails"][0]["o:errorCode"] == "INVALID_LOGIN"


def test_a_signature_for_another_page_is_refused(served: Served) -> None:
    assert ask(served, signed(served, "third"), {"limit": 5, "offset": 5}).status_code == 401


@pytest.mark.parametrize("header", ["OAuth", "OAuth realm", 'OAuth oauth_timestamp="x"', "oauth a=b, c"])
def test_a_header_that_is_none_is_refused(served: Served, header: str) -> None:
    assert ask(served, header).status_code == 401
