"""Logins, headers, describe and small queries."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import httpx
import pytest

from sandbox.server import Servers
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.options import ZuoraOptions
from tests.sandbox.zuora.conftest import ACCOUNTS, Served, Zuora, serve
from tests.sandbox.zuora.tiny_world import TinyWorld


def test_the_right_secret_is_traded_for_a_token(served: Served) -> None:
    body = served.ask_token().json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 3598)
    assert "platform.write" in body["scope"]
    assert len(ZuoraCredentials().client_id) >= 36


def test_wrong_logins_are_refused(served: Served) -> None:
    assert served.ask_token(client_secret="wrong").status_code == 401
    assert served.ask_token(client_id="wrong").status_code == 401
    assert served.ask_token(grant_type="password").status_code == 400


def test_a_call_needs_a_living_token(served: Served, zuora: Zuora) -> None:
    for path in ("/v1/describe/", "/v1/batch-query/jobs/x", "/v1/file/x"):
        answer = httpx.get(served.url + path)
        assert answer.status_code == 401
        assert answer.json()["reasons"][0]["code"] == 90000011
    assert zuora.client.get("/v1/describe/").status_code == 200
    served.tenant.expire_sessions()
    assert zuora.client.get("/v1/describe/").status_code == 401


def test_every_answer_carries_the_business_date_and_the_rate_limit(served: Served, zuora: Zuora) -> None:
    served.faults.arm("GET /v1/describe/Account", status=500)
    answers = [
        zuora.client.get("/v1/describe/Account", headers={"Zuora-Track-Id": "run-7"}),
        zuora.client.get("/nothing"),
        httpx.get(f"{served.url}/v1/describe/"),
        served.ask_token(),
    ]
    assert [answer.status_code for answer in answers] == [500, 404, 401, 200]
    for answer in answers:
        assert parsedate_to_datetime(answer.headers["date"]) == served.world.now
        assert answer.headers.get_list("date") == [answer.headers["date"]]
        assert int(answer.headers["RateLimit-Remaining"]) < int(answer.headers["RateLimit-Limit"]) + 1
    assert answers[0].headers["Zuora-Track-Id"] == "run-7"


def test_too_many_calls_a_minute_are_told_to_wait(servers: Servers) -> None:
    served = serve(servers, TinyWorld(), ZuoraOptions(requests_per_minute=2))
    token = served.ask_token().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answers = [httpx.get(f"{served.url}/v1/describe/", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60
    assert answers[2].headers["RateLimit-Remaining"] == "0"


def test_describe_lists_the_objects(served: Served, zuora: Zuora) -> None:
    root = ElementTree.fromstring(zuora.client.get("/v1/describe/").content)
    assert [node.findtext("name") for node in root.iter("object")] == ["Account", "Invoice"]
    assert root.find("object").attrib["href"] == f"{served.url}/v1/describe/Account"


def test_describe_tells_types_and_contexts(zuora: Zuora) -> None:
    root = ElementTree.fromstring(zuora.client.get("/v1/describe/Account").content)
    fields = {node.findtext("name"): node for node in root.iter("field")}
    types = {name: node.findtext("type") for name, node in fields.items()}
    assert types == {
        "Id": "text", "AccountNumber": "text", "Name": "text", "Brand__c": "picklist", "Balance": "decimal",
        "BillCycleDay": "integer", "AutoPay": "boolean", "LastInvoiceDate": "date", "CreatedDate": "datetime",
        "UpdatedDate": "datetime",
    }  # fmt: skip
    assert all("export" in [c.text for c in node.iter("context")] for node in fields.values())
    assert fields["Brand__c"].findtext("custom") == "true"
    invoice = ElementTree.fromstring(zuora.client.get("/v1/describe/Invoice").content)
    assert [node.findtext("name") for node in invoice.find("related-objects")] == ["Account"]
    assert zuora.client.get("/v1/describe/Nothing").status_code == 404


def test_a_field_that_is_taken_away_vanishes_from_describe_and_queries(served: Served, zuora: Zuora) -> None:
    served.tenant.options.hidden = frozenset({"Account.Name"})
    names = [n.text for n in ElementTree.fromstring(zuora.client.get("/v1/describe/Account").content).iter("name")]
    assert "Name" not in names
    assert zuora.submit(ACCOUNTS)["errorCode"] == "90005"


def test_small_queries_answer_in_json_without_nulls(zuora: Zuora) -> None:
    fields = "Id, Brand__c, Balance, AutoPay, BillCycleDay, LastInvoiceDate, UpdatedDate"
    text = f"select {fields} from Account where AccountNumber = 'A1'"
    body = zuora.client.post("/v1/action/query", json={"queryString": text}).json()
    assert body == {
        "size": 1, "done": True,
        "records": [{
            "Id": "2c92" + "1".zfill(28), "Balance": 1.5, "AutoPay": False, "BillCycleDay": 1,
            "LastInvoiceDate": "2026-06-01", "UpdatedDate": "2026-06-14T05:01:00.000-07:00",
        }],
    }  # fmt: skip


def test_query_more_walks_through_two_thousand_at_a_time(servers: Servers) -> None:
    served = serve(servers, TinyWorld(accounts=4_500))
    headers = {"Authorization": f"Bearer {served.ask_token().json()['access_token']}"}
    with httpx.Client(base_url=served.url, headers=headers) as client:
        pages = [client.post("/v1/action/query", json={"queryString": "select Id from Account"}).json()]
        while not pages[-1]["done"]:
            locator = {"queryLocator": pages[-1]["queryLocator"]}
            pages.append(client.post("/v1/action/queryMore", json=locator).json())
        assert [len(page["records"]) for page in pages] == [2000, 2000, 498]
        assert len({record["Id"] for page in pages for record in page["records"]}) == 4498
        used_up = client.post("/v1/action/queryMore", json={"queryLocator": pages[0]["queryLocator"]})
        assert (used_up.status_code, used_up.json()["Success"]) == (400, False)


@pytest.mark.parametrize("text", ["select * from Account", "select Id from Nothing", "select Nothing from Account"])
def test_queries_that_cannot_be_read_are_refused(zuora: Zuora, text: str) -> None:
    answer = zuora.client.post("/v1/action/query", json={"queryString": text})
    assert (answer.status_code, answer.json()["Errors"][0]["Code"]) == (400, "MALFORMED_QUERY")
