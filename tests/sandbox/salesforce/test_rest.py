"""The REST API as simple-salesforce and a plain HTTP client see it."""

from __future__ import annotations

import httpx
import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from sandbox.salesforce import SalesforceOptions
from tests.sandbox.salesforce.conftest import VERSION, Served
from tests.sandbox.salesforce.tiny_world import TinyWorld, account_id


def test_versions_are_public_and_retired_ones_are_gone(served: Served, client: httpx.Client) -> None:
    found = httpx.get(f"{served.url}/services/data").json()
    assert found[-1] == {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"}
    assert client.get(f"{served.url}/services/data/v30.0/limits").status_code == 410
    assert client.get(f"{served.url}/services/data/v99.0/limits").status_code == 404
    assert client.get(f"{served.url}/services/data/v62/limits").status_code == 404
    assert "jobs" in client.get("/").json()


def test_simple_salesforce_queries_all_pages(simple: Salesforce, served: Served) -> None:
    found = simple.query_all("SELECT Id, Name FROM Account", headers={"Sforce-Query-Options": "batchSize=200"})
    assert found["totalSize"] == 36
    assert found["records"][0]["attributes"] == {
        "type": "Account",
        "url": f"/services/data/v{VERSION}/sobjects/Account/{account_id(1)}",
    }
    with_deleted = simple.query_all("SELECT Id FROM Account", include_deleted=True)
    assert with_deleted["totalSize"] == 40


def test_values_have_the_forms_of_the_rest_api(client: httpx.Client) -> None:
    fields = "Id, Name, AnnualRevenue, NumberOfEmployees, IsPartner, Customer_Since__c, SystemModstamp"
    soql = f"SELECT {fields}, BillingAddress, Type FROM Account WHERE Id = '{account_id(3)}'"
    record = client.get("/query", params={"q": soql}).json()["records"][0]
    del record["attributes"]
    assert record == {
        "Id": account_id(3),
        "Name": "O'Brien & Söhne",
        "AnnualRevenue": 3000.75,
        "NumberOfEmployees": 3,
        "IsPartner": False,
        "Customer_Since__c": "2024-01-04",
        "SystemModstamp": "2026-06-01T00:03:00.000+0000",
        "BillingAddress": {
            "street": "3 Main Street", "city": "London", "country": None, "geocodeAccuracy": None, "latitude": None,
            "longitude": None,
        },
        "Type": None,
    }  # fmt: skip


class TestPaging:
    @pytest.fixture
    def world(self) -> TinyWorld:
        return TinyWorld(accounts=500)

    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(open_cursors=2)

    def first(self, client: httpx.Client) -> dict:
        options = {"Sforce-Query-Options": "batchSize=200"}
        return client.get("/query", params={"q": "SELECT Id FROM Account ORDER BY Id"}, headers=options).json()

    def test_pages_follow_without_gap_and_repeat_when_asked(self, served: Served, client: httpx.Client) -> None:
        page = self.first(client)
        assert (page["totalSize"], page["done"], len(page["records"])) == (450, False, 200)
        ids = [record["Id"] for record in page["records"]]
        while not page["done"]:
            url = served.url + page["nextRecordsUrl"]
            page = client.get(url).json()
            assert client.get(url).json()["records"] == page["records"]
            ids += [record["Id"] for record in page["records"]]
        assert ids == [account_id(n) for n in range(1, 501) if n % 10 != 9]
        assert "nextRecordsUrl" not in page

    def test_a_cursor_keeps_its_snapshot_when_rows_change(self, served: Served, client: httpx.Client) -> None:
        page = self.first(client)
        served.world.sql('DELETE FROM salesforce."Account"')
        assert client.get(served.url + page["nextRecordsUrl"]).json()["totalSize"] == 450

    def test_a_stale_locator_is_refused(self, served: Served, client: httpx.Client) -> None:
        pages = [self.first(client) for _ in range(3)]
        answers = [client.get(served.url + page["nextRecordsUrl"]) for page in pages]
        assert [answer.status_code for answer in answers] == [400, 200, 200]
        assert answers[0].json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"
        served.org.close_cursors()
        assert client.get(served.url + pages[2]["nextRecordsUrl"]).status_code == 400

    def test_a_plus_sign_must_be_encoded(self, client: httpx.Client) -> None:
        soql = "SELECT COUNT() FROM Account WHERE SystemModstamp >= 2026-06-01T02:01:00.000+02:00"
        assert client.get("/query", params={"q": soql}).json()["totalSize"] == 450
        raw = soql.replace(" ", "%20").replace(">", "%3E")
        assert client.get(f"/query?q={raw}").json()[0]["errorCode"] == "MALFORMED_QUERY"


def test_aggregates_are_answered(simple: Salesforce) -> None:
    soql = "SELECT COUNT(Id), MAX(SystemModstamp) newest, SUM(Amount) FROM Opportunity"
    record = simple.query(soql)["records"][0]
    assert record["attributes"] == {"type": "AggregateResult"}
    assert (record["expr0"], record["newest"], record["expr1"]) == (5, "2026-06-10T00:00:05.000+0000", 157.5)
    assert simple.query("SELECT COUNT() FROM Opportunity") == {"totalSize": 5, "done": True, "records": []}
    grouped = simple.query("SELECT BillingCity, COUNT(Id) n FROM Account GROUP BY BillingCity ORDER BY BillingCity")
    assert [(row["BillingCity"], row["n"]) for row in grouped["records"]] == [("London", 16), ("Nashville", 20)]


def test_simple_salesforce_describes_objects(simple: Salesforce) -> None:
    described = simple.describe()
    assert described is not None
    assert [one["name"] for one in described["sobjects"]] == ["Account", "Opportunity", "User"]
    fields = {field["name"]: field for field in simple.Account.describe()["fields"]}
    types = {name: field["type"] for name, field in fields.items()}
    assert types["Id"] == "id"
    assert types["OwnerId"] == "reference" and fields["OwnerId"]["referenceTo"] == ["User"]
    assert (types["Brands__c"], types["Type"], types["Description"]) == ("multipicklist", "picklist", "textarea")
    revenue = fields["AnnualRevenue"]
    assert (revenue["type"], revenue["precision"], revenue["scale"]) == ("currency", 18, 2)
    assert (types["NumberOfEmployees"], types["IsPartner"]) == ("int", "boolean")
    assert (types["Customer_Since__c"], types["SystemModstamp"]) == ("date", "datetime")
    assert types["BillingAddress"] == "address"
    assert fields["BillingCity"]["compoundFieldName"] == "BillingAddress"
    assert fields["Brands__c"]["custom"] and not fields["Name"]["custom"]
    assert "_deleted_at" not in fields
    formulas = [field["name"] for field in simple.Opportunity.describe()["fields"] if field["calculated"]]
    assert formulas == ["ARR__c"]


def test_a_new_column_of_the_model_shows_at_once(served: Served, simple: Salesforce) -> None:
    served.world.sql('ALTER TABLE salesforce."Account" ADD COLUMN "Tier__c" VARCHAR')
    assert "Tier__c" in [field["name"] for field in simple.Account.describe()["fields"]]


def test_simple_salesforce_gets_single_records(simple: Salesforce) -> None:
    assert simple.Account.get(account_id(2))["Name"] == "NULL"
    for gone in (account_id(9), account_id(999), "nonsense"):
        with pytest.raises(SalesforceResourceNotFound):
            simple.Account.get(gone)


def test_describes_go_25_to_a_call(client: httpx.Client, served: Served) -> None:
    before = served.org.api_requests
    names = ("Account", "Nothing", "User")
    requests = [{"method": "GET", "url": f"v{VERSION}/sobjects/{name}/describe"} for name in names]
    answer = client.post("/composite/batch", json={"batchRequests": requests}).json()
    assert answer["hasErrors"] is True
    assert [one["statusCode"] for one in answer["results"]] == [200, 404, 200]
    assert answer["results"][2]["result"]["name"] == "User"
    assert served.org.api_requests == before + 1
    too_many = client.post("/composite/batch", json={"batchRequests": requests * 9})
    assert too_many.status_code == 400


class TestQuota:
    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(daily_api_requests=3)

    def test_calls_are_counted_and_refused_once_the_day_is_used_up(self, client: httpx.Client) -> None:
        answer = client.get("/limits/")
        assert answer.headers["Sforce-Limit-Info"] == "api-usage=1/3"
        assert answer.json()["DailyApiRequests"] == {"Max": 3, "Remaining": 2}
        assert [client.get("/limits").status_code for _ in range(3)] == [200, 200, 403]
        assert client.get("/limits").json() == [
            {"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
        ]


def test_simple_salesforce_reads_usage_and_limits(simple: Salesforce) -> None:
    assert simple.limits()["DailyBulkV2QueryJobs"] == {"Max": 10_000, "Remaining": 10_000}
    assert simple.api_usage["api-usage"].total == 100_000


class TestReplication:
    def ask(self, client: httpx.Client, what: str, start: str, end: str) -> httpx.Response:
        return client.get(f"/sobjects/Account/{what}/", params={"start": start, "end": end})

    def test_updated_names_the_rows_that_changed_and_up_to_when(self, client: httpx.Client) -> None:
        answer = self.ask(client, "updated", "2026-06-01T00:05:00+00:00", "2026-06-01T00:11:00Z").json()
        assert sorted(answer["ids"]) == [account_id(n) for n in (5, 6, 7, 8, 10)]
        assert answer["latestDateCovered"] == "2026-06-01T00:11:00.000+0000"
        ahead = self.ask(client, "updated", "2026-06-15T05:00:00Z", "2026-12-31T00:00:00Z").json()
        assert ahead == {"ids": [], "latestDateCovered": "2026-06-15T06:00:00.000+0000"}

    def test_a_long_transaction_holds_the_watermark_back(self, served: Served, client: httpx.Client) -> None:
        served.org.hold_transaction(900)
        assert (
            self.ask(client, "updated", "2026-06-15T05:00:00Z", "2026-06-15T06:00:00Z").json()["latestDateCovered"]
            == "2026-06-15T05:45:00.000+0000"
        )
        served.org.end_transactions()
        assert (
            self.ask(client, "updated", "2026-06-15T05:00:00Z", "2026-06-15T06:00:00Z").json()["latestDateCovered"]
            == "2026-06-15T06:00:00.000+0000"
        )

    def test_deleted_names_rows_in_the_bin_and_rows_gone_for_good(self, served: Served, client: httpx.Client) -> None:
        gone = """UPDATE salesforce."Account" SET "_deleted_at" = TIMESTAMP '2026-06-02 00:00:00' WHERE "Id" = ?"""
        served.world.sql(gone, [account_id(1)])
        answer = self.ask(client, "deleted", "2026-06-01T00:00:00Z", "2026-06-15T06:00:00Z").json()
        found = {record["id"]: record["deletedDate"] for record in answer["deletedRecords"]}
        assert sorted(found) == [account_id(n) for n in (1, 9, 19, 29, 39)]
        assert found[account_id(1)] == "2026-06-02T00:00:00.000+0000"
        assert answer["earliestDateAvailable"] == "2026-05-31T06:00:00.000+0000"
        assert client.get("/query", params={"q": "SELECT COUNT() FROM Account"}).json()["totalSize"] == 35
        assert client.get("/queryAll", params={"q": "SELECT COUNT() FROM Account"}).json()["totalSize"] == 39

    @pytest.mark.parametrize(
        ("what", "start", "end"),
        [
            ("updated", "2026-06-15T06:00:00Z", "2026-06-15T06:00:30Z"),
            ("updated", "2026-06-14T00:00:00Z", "2026-06-13T00:00:00Z"),
            ("updated", "2026-05-01T00:00:00Z", "2026-06-15T00:00:00Z"),
            ("deleted", "2026-05-20T00:00:00Z", "2026-06-15T00:00:00Z"),
            ("deleted", "yesterday", "2026-06-15T00:00:00Z"),
        ],
    )
    def test_spans_outside_the_rules_are_refused(self, client: httpx.Client, what: str, start: str, end: str) -> None:
        answer = self.ask(client, what, start, end)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")

    def test_too_many_ids_for_one_answer_are_refused(self, served: Served, client: httpx.Client) -> None:
        served.org.options.replication_ids = 3
        for what in ("updated", "deleted"):
            answer = self.ask(client, what, "2026-06-01T00:00:00Z", "2026-06-15T06:00:00Z")
            assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")


def test_the_date_header_follows_the_business_clock(client: httpx.Client, served: Served) -> None:
    assert client.get("/limits").headers.get_list("date") == ["Mon, 15 Jun 2026 06:00:00 GMT"]
    served.world.advance(1)
    assert client.get("/limits").headers["date"] == "Tue, 16 Jun 2026 06:00:00 GMT"


def test_errors_reach_simple_salesforce_as_its_own(simple: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest, match="No such column 'Nothing' on entity 'Account'"):
        simple.query("SELECT Nothing FROM Account")
    with pytest.raises(SalesforceResourceNotFound):
        simple.Nothing.describe()


def test_a_query_that_does_not_fit_in_an_address_is_refused_at_the_edge(client: httpx.Client) -> None:
    soql = f"SELECT Id FROM Account WHERE Name = '{'x' * 16_384}'"
    answer = client.get("/query", params={"q": soql})
    assert answer.status_code == 414
    assert not answer.headers["content-type"].startswith("application/json")


def test_hidden_objects_and_fields_are_as_if_they_were_not_there(served: Served, simple: Salesforce) -> None:
    served.org.options.hidden = frozenset({"Opportunity", "Account.Type"})
    assert "Type" not in [field["name"] for field in simple.Account.describe()["fields"]]
    with pytest.raises(SalesforceMalformedRequest, match="No such column 'Type'"):
        simple.query("SELECT Type FROM Account")
    with pytest.raises(SalesforceMalformedRequest, match="sObject type 'Opportunity' is not supported"):
        simple.query("SELECT Id FROM Opportunity")


def test_a_method_that_a_resource_lacks_is_refused(client: httpx.Client) -> None:
    answer = client.put("/limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_parents_fields_come_as_an_object_and_in_bulk_as_columns(simple: Salesforce, world: TinyWorld) -> None:
    world.sql('UPDATE salesforce."Account" SET "OwnerId" = NULL WHERE "Id" = ?', [account_id(2)])
    soql = "SELECT Id, Owner.Username FROM Account WHERE NumberOfEmployees < 3"
    first, second = simple.query(soql)["records"]
    assert first["Owner"] == {"attributes": {"type": "Owner"}, "Username": "ada@mgdw.example"}
    assert second["Owner"] is None
    (page,) = simple.bulk2.Account.query(soql)
    assert sorted(page.splitlines()) == [
        f'"{account_id(1)}","ada@mgdw.example"', f'"{account_id(2)}",""', '"Id","Owner.Username"',
    ]  # fmt: skip


def test_record_counts_leave_out_the_recycle_bin(client: httpx.Client) -> None:
    body = client.get("/limits/recordCount", params={"sObjects": "Account,User,Gizmo__c"}).json()
    assert body == {"sObjects": [{"count": 36, "name": "Account"}, {"count": 1, "name": "User"}]}


def test_a_query_for_too_much_times_out(client: httpx.Client, options: SalesforceOptions) -> None:
    options.most_rows_in_time = 39
    answer = client.get("/queryAll", params={"q": "SELECT Id FROM Account"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "QUERY_TIMEOUT")
    assert client.get("/query", params={"q": "SELECT Id FROM Account"}).json()["totalSize"] == 36


def test_an_emptied_recycle_bin_is_empty_but_its_rows_stay_in_the_log(
    simple: Salesforce, client: httpx.Client, served: Served
) -> None:
    served.org.empty_recycle_bin()
    assert simple.query_all("SELECT Id FROM Account", include_deleted=True)["totalSize"] == 36
    span = {"start": "2026-06-01T00:00:00Z", "end": "2026-06-01T01:00:00Z"}
    records = client.get("/sobjects/Account/deleted/", params=span).json()["deletedRecords"]
    assert {"id": account_id(9), "deletedDate": "2026-06-01T00:09:00.000+0000"} in records


def test_an_object_without_replication_says_so(client: httpx.Client, options: SalesforceOptions) -> None:
    options.unreplicated = frozenset({"User"})
    assert client.get("/sobjects/User/describe").json()["replicateable"] is False
    span = {"start": "2026-06-01T00:00:00Z", "end": "2026-06-02T00:00:00Z"}
    answer = client.get("/sobjects/User/deleted/", params=span)
    assert answer.json()[0]["errorCode"] == "INVALID_TYPE_FOR_OPERATION"
