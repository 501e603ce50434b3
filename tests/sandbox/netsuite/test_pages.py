"""SuiteQL over REST: the envelope, the pages and where they end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import httpx
import pytest

from sandbox.server import Servers
from tests.sandbox.netsuite.conftest import SUITEQL, Served, Suite, serve
from tests.sandbox.netsuite.tiny_world import TinyWorld

ALL = "SELECT id FROM customer ORDER BY id"


@pytest.fixture(scope="module")
def big(servers: Servers) -> Served:
    return serve(servers, TinyWorld(customers=101_000))


@pytest.fixture
def big_suite(big: Served) -> Suite:
    return Suite(httpx.Client(base_url=big.url, headers={"Authorization": f"Bearer {big.log_in()}"}, timeout=30))


def test_the_envelope_counts_and_links_the_pages(served: Served, suite: Suite) -> None:
    body = suite.post(ALL, limit=10, offset=10).json()
    assert (body["count"], body["hasMore"], body["offset"], body["totalResults"]) == (10, True, 10, 29)
    links = {link["rel"]: link["href"] for link in body["links"]}
    assert links == {
        rel: f"{served.url}{SUITEQL}?limit=10&offset={offset}"
        for rel, offset in {"self": 10, "first": 0, "last": 20, "next": 20, "previous": 0}.items()
    }
    last = suite.post(ALL, limit=10, offset=20).json()
    assert (last["count"], last["hasMore"]) == (9, False)
    assert "next" not in {link["rel"] for link in last["links"]}


def test_pages_together_are_the_whole_result(suite: Suite) -> None:
    pages = [suite.rows(ALL, limit=7, offset=offset) for offset in range(0, 35, 7)]
    ids = [int(row["id"]) for page in pages for row in page]
    assert ids == [i for i in range(1, 31) if i != 5]


def test_a_page_behind_the_end_is_empty_and_still_knows_the_total(suite: Suite) -> None:
    body = suite.post(ALL, limit=100, offset=1000).json()
    assert (body["items"], body["count"], body["totalResults"], body["hasMore"]) == ([], 0, 29, False)


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"limit": 10, "offset": 5}, {"offset": -1000}]
)
def test_impossible_pages_are_refused(suite: Suite, params: dict[str, int | str]) -> None:
    assert suite.error(ALL, **params)[:2] == (400, "INVALID_PARAMETER")


def test_without_a_limit_a_page_has_a_thousand_rows(big_suite: Suite) -> None:
    assert big_suite.post(ALL).json()["count"] == 1000


def test_no_offset_reaches_beyond_a_hundred_thousand_rows(big_suite: Suite) -> None:
    body = big_suite.post(ALL, limit=1000, offset=99_000).json()
    assert (body["count"], body["hasMore"], body["totalResults"]) == (1000, True, 100_999)
    assert big_suite.error(ALL, limit=1000, offset=100_000)[:2] == (400, "INVALID_PARAMETER")
    assert big_suite.post(ALL, limit=10, offset=9_990).status_code == 200
    assert big_suite.error(ALL, limit=10, offset=10_000)[:2] == (400, "INVALID_PARAMETER")


def test_keys_reach_every_row(big_suite: Suite) -> None:
    last, seen = 0, 0
    for _ in range(102):
        rows = big_suite.rows(f"SELECT id FROM customer WHERE id > {last} ORDER BY id", limit=1000)
        if not rows:
            break
        seen, last = seen + len(rows), int(rows[-1]["id"])
    assert (seen, last) == (100_999, 101_000)


def test_the_call_must_say_that_the_query_is_transient(suite: Suite) -> None:
    for headers in ({}, {"Prefer": "respond-async"}):
        answer = suite.client.post(SUITEQL, json={"q": ALL}, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["o:errorDetails"][0]["o:errorHeader"] == "Prefer"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"query": "SELECT 1 FROM DUAL"}', b'{"q": 5}'])
def test_a_body_without_a_query_is_refused(suite: Suite, body: bytes) -> None:
    answer = suite.client.post(SUITEQL, content=body, headers={"Prefer": "transient"})
    assert (answer.status_code, answer.json()["o:errorDetails"][0]["o:errorCode"]) == (400, "INVALID_CONTENT")
    assert answer.headers["content-type"] == "application/vnd.oracle.resource+json; type=error"


@pytest.mark.parametrize("status", [429, 400])
def test_more_calls_at_once_than_the_account_allows_are_turned_away(
    served: Served, suite: Suite, status: Literal[400, 429]
) -> None:
    served.account.options.concurrency_limit = 2
    served.account.options.concurrency_status = status
    with ThreadPoolExecutor(2) as pool:
        with served.world.lock:
            waiting = [pool.submit(suite.post, ALL) for _ in range(2)]
            turned_away = _until_refused(suite)
        assert [future.result(timeout=10).status_code for future in waiting] == [200, 200]
    assert turned_away.status_code == status
    assert turned_away.json()["o:errorDetails"][0]["o:errorCode"] == "CONCURRENCY_LIMIT_EXCEEDED"


def _until_refused(suite: Suite) -> httpx.Response:
    """Ask until the waiting calls have arrived, which shows in nothing but their effect."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        answer = suite.client.get("/services/rest/system/v1/governanceLimits")
        if answer.status_code != 200:
            return answer
    raise AssertionError("no call was turned away")


def test_governance_limits_tell_the_concurrency(suite: Suite) -> None:
    assert suite.client.get("/services/rest/system/v1/governanceLimits").json()["accountConcurrencyLimit"] == 15


def test_the_catalog_lists_the_records_and_their_fields(suite: Suite) -> None:
    base = "/services/rest/record/v1/metadata-catalog"
    assert {item["name"] for item in suite.client.get(base).json()["items"]} == {
        "customer",
        "deletedrecord",
        "transaction",
    }
    openapi = suite.client.get(
        base, params={"select": "customer"}, headers={"Accept": "application/swagger+json"}
    ).json()
    properties = openapi["components"]["schemas"]["customer"]["properties"]
    assert properties["isinactive"]["type"] == "boolean"
    assert properties["lastmodifieddate"]["format"] == "date-time"
    assert "_deleted_at" not in properties
    schema = suite.client.get(f"{base}/invoice", headers={"Accept": "application/schema+json"}).json()
    assert schema["properties"]["trandate"]["format"] == "date"
    assert suite.client.get(f"{base}/nothing").status_code == 404


def test_faults_can_be_armed(served: Served, suite: Suite) -> None:
    served.faults.arm("POST .*suiteql", status=503)
    assert [suite.post(ALL).status_code for _ in range(2)] == [503, 200]


def test_the_catalog_can_be_closed_to_the_role(served: Served, suite: Suite) -> None:
    served.account.options.has_catalog = False
    answer = suite.client.get("/services/rest/record/v1/metadata-catalog/customer")
    assert (answer.status_code, answer.json()["o:errorDetails"][0]["o:errorCode"]) == (403, "INSUFFICIENT_PERMISSION")


def test_the_catalog_shows_fields_that_no_query_may_ask_for(served: Served, suite: Suite) -> None:
    served.account.options.unqueryable = frozenset({"customer.weight"})
    schema = suite.client.get("/services/rest/record/v1/metadata-catalog/customer").json()
    assert "weight" in schema["properties"]
    assert "Field 'weight'" in suite.error("SELECT weight FROM customer")[2]


def test_the_catalog_speaks_of_one_transaction_type_at_a_time(suite: Suite) -> None:
    base = "/services/rest/record/v1/metadata-catalog"
    invoice, payment = (
        suite.client.get(f"{base}/{name}").json()["properties"] for name in ("invoice", "customerPayment")
    )
    assert "type" not in invoice
    assert invoice["entity"]["properties"]["refName"] == {"type": "string"}
    assert "trandate" in payment
