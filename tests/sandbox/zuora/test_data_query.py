"""Data Query: Trino SQL, a job a query, results at a presigned address of another host."""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.sandbox.zuora.conftest import Served, Zuora, rows_of


def ended(zuora: Zuora, query: str, **body: Any) -> dict[str, Any]:
    asked = {"query": query, "outputFormat": "CSV", "compression": "NONE", "output": {"target": "S3"}} | body
    job = zuora.client.post("/query/jobs", json=asked).json()["data"]
    assert job["queryStatus"] == "accepted"
    while job["queryStatus"] in ("accepted", "in_progress"):
        job = zuora.client.get(f"/query/jobs/{job['id']}").json()["data"]
    return job


def table(zuora: Zuora, query: str, **body: Any) -> list[list[str]]:
    job = ended(zuora, query, **body)
    assert job["queryStatus"] == "completed", job
    rows = rows_of(httpx.get(job["dataFile"]).content)
    assert job["outputRows"] == len(rows) - 1
    return rows


def test_a_query_selects_columns_in_lower_case(zuora: Zuora) -> None:
    rows = table(zuora, 'select Id, "billcycleday" as day, Brand__c from account where billcycleday <= 2')
    assert rows == [["id", "day", "brand__c"], ["2c92" + "1".zfill(28), "1", ""], ["2c92" + "2".zfill(28), "2", "Emma"]]


def test_stamps_are_printed_in_the_tenants_zone(served: Served, zuora: Zuora) -> None:
    query = 'select updateddate, to_iso8601("updateddate") as iso from account where billcycleday = 1'
    assert table(zuora, query)[1] == ["2026-06-14 05:01:00.000 -07:00", "2026-06-14T05:01:00.000-07:00"]


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("updateddate >= timestamp '2026-06-14 12:07:00 +00:00'", ["7", "10"]),
        ("updateddate < timestamp '2026-06-14 14:03:00 +02:00'", ["1", "2"]),
        ("brand__c is null and billcycleday < 5", ["1", "3"]),
        ("accountnumber in ('A1', 'A2') or not billcycleday < 10", ["1", "2", "10"]),
        ("brand__c = null", []),
    ],
)
def test_conditions(zuora: Zuora, condition: str, days: list[str]) -> None:
    rows = table(zuora, f"select billcycleday from account where {condition}")[1:]
    assert sorted((day for (day,) in rows), key=int) == days


def test_deleted_rows_come_when_the_column_of_that_name_is_asked_for(zuora: Zuora) -> None:
    assert ["A8"] not in table(zuora, "select accountnumber from account")
    assert ["A8", "true"] in table(zuora, 'select accountnumber, "deleted" from account')
    assert ["A1", "false"] in table(zuora, "select accountnumber, deleted from account", readDeleted=True)
    assert table(zuora, "select accountnumber from account", readDeleted=True)[1:] == [["A8"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select colour from account", "Column 'colour' cannot be resolved"),
        ("select id from accounts", "Table owl.data.accounts does not exist"),
        ("select id from account where", "mismatched input"),
        ("select Id from Account; drop table account", "only SELECT"),
        ("drop table account", "only SELECT"),
        ("select read_text('/etc/passwd') from account", "only columns"),
        ("select id from account where id = (select 1)", "is not served here"),
        ("select id from account where read_text('/x') = ''", "is not served here"),
        ("select id from account limit 1", "only SELECT"),
    ],
)
def test_what_cannot_be_run_fails_with_a_message(zuora: Zuora, query: str, words: str) -> None:
    job = ended(zuora, query)
    assert job["queryStatus"] == "failed"
    assert words in job["errorMessage"]


def test_a_result_lies_on_another_host_and_wants_a_signature_and_no_token(served: Served, zuora: Zuora) -> None:
    address = ended(zuora, "select id from account", compression="GZIP")["dataFile"]
    assert urlsplit(address).hostname != urlsplit(served.url).hostname
    assert gzip.decompress(httpx.get(address).content).startswith(b"id\n")
    assert zuora.client.get(address, headers=dict(zuora.client.headers)).status_code == 400
    assert httpx.get(address.partition("?")[0]).status_code == 403
    served.tenant.data_queries.forget_files()
    assert httpx.get(address).status_code == 403


def test_queries_need_permission_and_room(served: Served, zuora: Zuora) -> None:
    body = {"query": "select id from account", "outputFormat": "CSV"}
    served.tenant.options.data_queries_at_once = 1
    first = zuora.client.post("/query/jobs", json=body).json()["data"]
    assert zuora.client.post("/query/jobs", json=body).status_code == 429
    assert zuora.client.delete(f"/query/jobs/{first['id']}").json()["data"]["queryStatus"] == "cancelled"
    assert zuora.client.post("/query/jobs", json=body).status_code == 200
    served.tenant.options.data_query_allowed = False
    assert zuora.client.post("/query/jobs", json=body).status_code == 403
    assert zuora.client.get("/query/jobs/unknown").status_code == 404
