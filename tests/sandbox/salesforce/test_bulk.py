"""Bulk API 2.0 query jobs as simple-salesforce and a plain HTTP client see them."""

from __future__ import annotations

import csv
import gzip
import io
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from simple_salesforce import Salesforce

from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, SalesforceOrg
from tests.sandbox.salesforce.conftest import VERSION, Served
from tests.sandbox.salesforce.tiny_world import account_id

ALL_IDS = [account_id(n) for n in range(1, 41)]
LIVE_IDS = [account_id(n) for n in range(1, 41) if n % 10 != 9]


def create(client: httpx.Client, soql: str, **more: Any) -> httpx.Response:
    return client.post("/jobs/query", json={"operation": "query", "query": soql, **more})


def finished(client: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = client.get(f"/jobs/query/{job_id}").json()
        if status["state"] in ("JobComplete", "Failed", "Aborted"):
            return status
    raise AssertionError(f"job still {status['state']}")


def run(client: httpx.Client, soql: str, **more: Any) -> str:
    job_id: str = create(client, soql, **more).json()["id"]
    assert finished(client, job_id)["state"] == "JobComplete"
    return job_id


def pages(client: httpx.Client, job_id: str, **params: Any) -> list[httpx.Response]:
    found = [client.get(f"/jobs/query/{job_id}/results", params=params)]
    while (locator := found[-1].headers["Sforce-Locator"]) != "null":
        found.append(client.get(f"/jobs/query/{job_id}/results", params={**params, "locator": locator}))
    return found


def records(answers: list[httpx.Response], **dialect: Any) -> list[dict[str, str]]:
    return [row for answer in answers for row in csv.DictReader(io.StringIO(answer.text, newline=""), **dialect)]


def test_simple_salesforce_downloads_a_job(simple: Salesforce, tmp_path: Path) -> None:
    files = simple.bulk2.Account.download("SELECT Id, Name FROM Account", path=str(tmp_path), max_records=7)
    texts = [Path(one["file"]).read_text(encoding="utf-8") for one in files]
    rows = [row for text in texts for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert sorted(row["Id"] for row in rows) == LIVE_IDS
    assert sum(one["number_of_records"] for one in files) == 36
    assert all(one["number_of_records"] <= 7 for one in files)


def test_a_job_describes_itself_as_salesforce_does(client: httpx.Client) -> None:
    created = create(client, "SELECT Id FROM Account").json()
    assert created["id"].startswith("750")
    assert created["state"] == "UploadComplete"
    assert created["createdDate"] == "2026-06-15T06:00:00.000+0000"
    expected = {
        "operation": "query", "object": "Account", "apiVersion": 62.0, "contentType": "CSV", "lineEnding": "LF",
        "columnDelimiter": "COMMA", "concurrencyMode": "Parallel",
    }  # fmt: skip
    assert expected.items() <= created.items()
    status = finished(client, created["id"])
    assert (status["state"], status["numberRecordsProcessed"], status["retries"]) == ("JobComplete", 36, 0)
    listed = client.get("/jobs/query").json()
    assert (listed["done"], [job["id"] for job in listed["records"]]) == (True, [created["id"]])


def test_values_have_the_forms_of_the_bulk_api(client: httpx.Client) -> None:
    fields = (
        "Id, Name, Description, Type, AnnualRevenue, NumberOfEmployees, IsPartner, Customer_Since__c, SystemModstamp"
    )
    soql = f"select {fields.lower()} FROM account WHERE Id IN ('{account_id(1)}', '{account_id(5)}')"
    text = pages(client, run(client, soql))[0].text
    assert text.startswith('"' + fields.replace(", ", '","') + '"\n')
    first, second = sorted(records(pages(client, run(client, soql))), key=lambda row: row["Id"])
    assert first == {
        "Id": account_id(1), "Name": 'Acme "Rockets", Inc.', "Description": 'first line\nsecond "line"\n',
        "Type": "Customer", "AnnualRevenue": "1000.25", "NumberOfEmployees": "1", "IsPartner": "false",
        "Customer_Since__c": "2024-01-02", "SystemModstamp": "2026-06-01T00:01:00.000Z",
    }  # fmt: skip
    assert second["Description"] == second["AnnualRevenue"] == ""
    assert '"Customer 5","","Customer","","5"' in text


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("most", [None, 3, 10, 1000])
def test_pages_hold_every_row_once_and_say_how_many(client: httpx.Client, encoding: str, most: int | None) -> None:
    client.headers["Accept-Encoding"] = encoding
    params = {} if most is None else {"maxRecords": most}
    answers = pages(client, run(client, "SELECT Id, Name, Description FROM Account"), **params)
    rows = records(answers)
    assert sorted(row["Id"] for row in rows) == LIVE_IDS
    assert [row["Id"] for row in rows] != LIVE_IDS, "rows are not sorted"
    for answer in answers:
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(records([answer])) <= (most or 10)
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert answer.headers["Content-Type"].startswith("text/csv")


def test_a_gzip_page_is_one_member_that_any_reader_opens(client: httpx.Client) -> None:
    job_id = run(client, "SELECT Id FROM Account")
    with client.stream("GET", f"/jobs/query/{job_id}/results", headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert len(packed) == int(answer.headers["Content-Length"])
    assert gzip.decompress(packed).startswith(b'"Id"\n"001')


def test_a_locator_can_be_read_again(client: httpx.Client) -> None:
    job_id = run(client, "SELECT Id FROM Account")
    second = pages(client, job_id)[0].headers["Sforce-Locator"]
    answers = [client.get(f"/jobs/query/{job_id}/results", params={"locator": second}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    for wrong in ("nonsense", "OTk5OTk5"):
        assert client.get(f"/jobs/query/{job_id}/results", params={"locator": wrong}).status_code == 400


class TestResultPages:
    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(bulk_page_rows=5)

    def test_name_five_addresses_at_a_time_that_cover_everything(self, served: Served, client: httpx.Client) -> None:
        job_id = run(client, "SELECT Id FROM Account", operation="queryAll")
        answer = client.get(f"/jobs/query/{job_id}/resultPages").json()
        assert (len(answer["resultPages"]), answer["done"]) == (5, False)
        urls = [page["resultUrl"] for page in answer["resultPages"]]
        answer = client.get(served.url + answer["nextRecordsUrl"]).json()
        assert (len(answer["resultPages"]), answer["done"]) == (3, True)
        assert "nextRecordsUrl" not in answer
        urls += [page["resultUrl"] for page in answer["resultPages"]]
        rows = records([client.get(served.url + url) for url in reversed(urls)])
        assert sorted(row["Id"] for row in rows) == ALL_IDS


def test_query_hides_what_is_in_the_recycle_bin_and_query_all_shows_it(served: Served, client: httpx.Client) -> None:
    served.world.sql("""UPDATE salesforce."Account" SET "_deleted_at" = now() WHERE "Id" = ?""", [account_id(1)])
    live = records(pages(client, run(client, "SELECT Id, IsDeleted FROM Account")))
    every = records(pages(client, run(client, "SELECT Id, IsDeleted FROM Account", operation="queryAll")))
    assert sorted(row["Id"] for row in live) == LIVE_IDS[1:]
    assert sorted(row["Id"] for row in every) == ALL_IDS[1:]
    assert {row["Id"] for row in every if row["IsDeleted"] == "true"} == set(ALL_IDS) - set(LIVE_IDS)


def test_an_empty_result_has_its_header_line(client: httpx.Client) -> None:
    answer = pages(client, run(client, "SELECT Id, Name FROM Account WHERE Name = 'nobody'"))
    assert [(one.text, one.headers["Sforce-NumberOfRecords"]) for one in answer] == [('"Id","Name"\n', "0")]


def test_an_order_and_a_limit_are_kept_over_pages(client: httpx.Client) -> None:
    answers = pages(client, run(client, "SELECT Id FROM Account ORDER BY BillingCity DESC, Id LIMIT 25"))
    found = [row["Id"] for row in records(answers)]
    nashville = [one for one in LIVE_IDS if int(one[3:15]) % 2 == 0]
    assert found == (nashville + [one for one in LIVE_IDS if one not in nashville])[:25]


def test_delimiter_and_line_ending_are_the_clients_choice(client: httpx.Client) -> None:
    job_id = run(client, "SELECT Id, Description FROM Account", columnDelimiter="PIPE", lineEnding="CRLF")
    answers = pages(client, job_id, maxRecords=4)
    assert answers[0].content.startswith(b'"Id"|"Description"\r\n')
    rows = records(answers, delimiter="|")
    assert sorted(row["Id"] for row in rows) == LIVE_IDS
    assert next(row for row in rows if row["Id"] == account_id(1))["Description"] == 'first line\nsecond "line"\n'


@pytest.mark.parametrize(
    ("soql", "code", "text"),
    [
        ("SELECT Id, BillingAddress FROM Account", "API_ERROR", "Selecting compound data not supported in Bulk Query"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR", "Aggregate Relationships not supported"),
        ("SELECT COUNT(Id) FROM Account", "API_ERROR", "not supported in Bulk"),
        ("SELECT Type FROM Account GROUP BY Type", "API_ERROR", "not supported in Bulk"),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 5", "API_ERROR", "OFFSET not supported"),
        ("SELECT TYPEOF What WHEN Account THEN Id END FROM Account", "API_ERROR", "TYPEOF not supported"),
        ("SELECT Id FROM User", "INVALIDENTITY", "is not supported by the Bulk API"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE", "sObject type 'Nothing' is not supported"),
        ("SELECT Nothing FROM Account", "INVALID_FIELD", "No such column 'Nothing' on entity 'Account'"),
        ("SELECT FROM Account", "MALFORMED_QUERY", "unexpected token: 'FROM'"),
    ],
)
def test_what_the_bulk_api_does_not_take_is_refused(
    served: Served, client: httpx.Client, soql: str, code: str, text: str
) -> None:
    served.org.options.unsupported_by_bulk = frozenset({"User"})
    answer = create(client, soql)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
    assert text in answer.json()[0]["message"]


@pytest.mark.parametrize(
    "changes", [{"operation": "insert"}, {"contentType": "JSON"}, {"columnDelimiter": "DOT"}, {"query": None}]
)
def test_a_wrong_job_is_refused(client: httpx.Client, changes: dict[str, Any]) -> None:
    assert create(client, **{"soql": "SELECT Id FROM Account", **changes}).status_code == 400
    assert client.post("/jobs/query", content=b"{").json()[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_results_want_the_api_version_of_the_job(served: Served, client: httpx.Client) -> None:
    job_id = run(client, "SELECT Id FROM Account")
    other = served.data.replace(VERSION, "63.0")
    assert client.get(f"{other}/jobs/query/{job_id}/results").status_code == 409
    assert client.get(f"{other}/jobs/query/{job_id}/resultPages").status_code == 409


class TestLife:
    def test_a_job_may_be_armed_to_stay_in_progress(self, served: Served, client: httpx.Client) -> None:
        served.org.jobs.arm("from account", polls=3)
        job_id = create(client, "SELECT Id FROM Account").json()["id"]
        assert client.get(f"/jobs/query/{job_id}/results").json()[0]["errorCode"] == "INVALIDJOBSTATE"
        assert client.delete(f"/jobs/query/{job_id}").status_code == 400
        states = [client.get(f"/jobs/query/{job_id}").json()["state"] for _ in range(3)]
        assert set(states) <= {"UploadComplete", "InProgress"}
        assert finished(client, job_id)["state"] == "JobComplete"

    def test_a_job_may_be_armed_to_fail_once(self, served: Served, client: httpx.Client) -> None:
        served.org.jobs.arm("FROM Account", fail="InternalServerError : retried more than fifteen times")
        status = finished(client, create(client, "SELECT Id FROM Account").json()["id"])
        assert (status["state"], status["errorMessage"]) == (
            "Failed",
            "InternalServerError : retried more than fifteen times",
        )
        assert client.get(f"/jobs/query/{status['id']}/results").status_code == 400
        run(client, "SELECT Id FROM Account")

    def test_a_job_can_be_aborted_until_it_ends(self, served: Served, client: httpx.Client) -> None:
        served.org.jobs.arm("Account", polls=1000)
        job_id = create(client, "SELECT Id FROM Account").json()["id"]
        assert client.patch(f"/jobs/query/{job_id}", json={"state": "Aborted"}).json()["state"] == "Aborted"
        assert client.get(f"/jobs/query/{job_id}").json()["state"] == "Aborted"
        assert client.patch(f"/jobs/query/{job_id}", json={"state": "Aborted"}).status_code == 400
        assert client.patch(f"/jobs/query/{job_id}", json={"state": "Open"}).status_code == 400

    def test_a_deleted_job_is_gone_with_its_files(self, served: Served, client: httpx.Client) -> None:
        job_id = run(client, "SELECT Id FROM Account")
        result = served.org.jobs.job(job_id).result
        assert result is not None and result.directory.exists()
        answer = client.delete(f"/jobs/query/{job_id}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get(f"/jobs/query/{job_id}").status_code == 404
        assert not result.directory.exists()

    def test_a_result_is_one_state_of_the_model(self, served: Served, client: httpx.Client) -> None:
        job_id = run(client, "SELECT Id FROM Account")
        served.world.sql('DELETE FROM salesforce."Account"')
        assert len(records(pages(client, job_id))) == 36


class TestAllocations:
    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(daily_bulk_query_jobs=1, share_results=True)

    def test_jobs_and_bytes_of_a_day_are_counted(self, client: httpx.Client) -> None:
        run(client, "SELECT Id FROM Account")
        limits = client.get("/limits").json()
        assert limits["DailyBulkV2QueryJobs"] == {"Max": 1, "Remaining": 0}
        storage = limits["DailyBulkV2QueryFileStorageMB"]
        assert storage["Remaining"] == storage["Max"] - 1
        refused = create(client, "SELECT Id FROM Account")
        assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")

    def test_results_beyond_the_days_storage_are_refused(self, served: Served, client: httpx.Client) -> None:
        served.org.options.daily_bulk_query_megabytes = 0
        refused = create(client, "SELECT Id FROM Account")
        assert refused.json()[0]["message"].startswith("Max bulk v2 query result size stored")


class TestSharedResults:
    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(share_results=True)

    def test_equal_queries_share_their_files_until_the_clock_moves(self, served: Served, client: httpx.Client) -> None:
        ids = [run(client, "SELECT Id FROM Account") for _ in range(2)]
        client.delete(f"/jobs/query/{ids[0]}")
        assert len(records(pages(client, ids[1]))) == 36
        served.world.sql('DELETE FROM salesforce."Account" WHERE "Id" = ?', [account_id(1)])
        served.world.advance(1)
        assert len(records(pages(client, run(client, "SELECT Id FROM Account")))) == 35


def test_nothing_is_left_on_disk_when_the_server_stops(world: Any) -> None:
    org = SalesforceOrg(world, SalesforceCredentials())
    org.jobs.create({"operation": "query", "query": "SELECT Id FROM Account"}, 62.0)
    (job,) = org.jobs.all()
    org.close()
    assert job.result is None or not job.result.directory.parent.exists()


def test_a_job_for_too_much_fails_after_all_its_tries(client: httpx.Client, options: SalesforceOptions) -> None:
    options.most_rows_in_time = 39
    body = {"operation": "queryAll", "query": "SELECT Id FROM Account"}
    job = client.post("/jobs/query", json=body).json()["id"]
    while (found := client.get(f"/jobs/query/{job}").json())["state"] not in ("Failed", "JobComplete"):
        pass
    assert found["state"] == "Failed"
    assert "retried more than fifteen times" in found["errorMessage"]
