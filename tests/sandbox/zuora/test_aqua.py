"""AQuA jobs: states, files, formats, deleted rows, and errors inside HTTP 200."""

from __future__ import annotations

import gzip
import io
import threading
import uuid
import zipfile
from typing import Any

import httpx
import pytest

from sandbox.server import Servers
from sandbox.zuora.options import ZuoraOptions
from tests.sandbox.zuora.conftest import ACCOUNTS, Served, Zuora, rows_of, serve
from tests.sandbox.zuora.tiny_world import TinyWorld


def deleted(query: str, form: str = "Boolean") -> dict[str, Any]:
    return {"name": "q", "type": "zoqlexport", "query": query, "deleted": {"column": "Deleted", "format": form}}


def test_a_job_goes_from_submitted_through_executing_to_completed(served: Served, zuora: Zuora) -> None:
    served.tenant.options.polls_until_done = 1
    job = zuora.submit(ACCOUNTS, name="nightly")
    assert (job["status"], job["batches"][0]["status"]) == ("submitted", "submitted")
    assert uuid.UUID(job["id"])
    states = [zuora.client.get(f"/v1/batch-query/jobs/{job['id']}").json() for _ in range(2)]
    assert states[0]["status"] in ("submitted", "executing")
    assert "fileId" not in states[0]["batches"][0]
    done = zuora.finished(job["id"])
    assert (done["status"], done["name"], done["format"], done["encrypted"]) == ("completed", "nightly", "csv", "none")
    (batch,) = done["batches"]
    assert (batch["status"], batch["recordCount"], batch["full"], batch["query"]) == ("completed", 8, True, ACCOUNTS)


def test_values_are_written_as_plain_text(zuora: Zuora) -> None:
    fields = "Name, Brand__c, Balance, BillCycleDay, AutoPay, LastInvoiceDate, UpdatedDate"
    header, *rows = zuora.table(f"select {fields} from Account where BillCycleDay <= 4", nullReplacement="\\N")
    assert header == fields.split(", ")
    assert rows == [
        ['Acme "Rockets", Inc.', "\\N", "1.50", "1", "false", "2026-06-01", "2026-06-14T12:01:00+0000"],
        ["two\nlines", "Emma", "3.00", "2", "true", "2026-06-02", "2026-06-14T12:02:00+0000"],
        ["", "\\N", "4.50", "3", "false", "2026-06-03", "2026-06-14T12:03:00+0000"],
        ["Name 4", "Emma", "6.00", "4", "true", "2026-06-04", "2026-06-14T12:04:00+0000"],
    ]
    assert zuora.table("select BillCycleDay, Brand__c from Account where BillCycleDay = 1")[1:] == [["1", ""]]


def test_a_stamp_at_pacific_midnight_is_a_bare_date(served: Served, zuora: Zuora) -> None:
    query = "select CreatedDate from Account where BillCycleDay <= 3"
    assert [row[0] for row in zuora.table(query)[1:]] == ["2026-06-14", "2026-01-14", "2026-06-14T08:00:00+0000"]
    served.tenant.options.bare_midnights = False
    assert zuora.table(query)[1] == ["2026-06-14T07:00:00+0000"]


def test_without_date_time_utc_stamps_are_in_the_tenants_zone(served: Served, zuora: Zuora) -> None:
    served.tenant.options.time_zone = "Europe/Berlin"
    query = "select UpdatedDate from Account where UpdatedDate >= '2026-06-14 14:10:00'"
    assert zuora.table(query, dateTimeUtc="false")[1:] == [["2026-06-14T14:10:00+0200"]]


def test_headers_are_api_names_prefixed_names_or_labels(served: Served, zuora: Zuora) -> None:
    query = "select id, Account.AccountNumber from Account"
    assert zuora.table(query)[0] == ["Id", "AccountNumber"]
    assert zuora.table(query, useQueryLabels=False)[0] == ["Account: Id", "Account: Account Number"]
    served.tenant.options.header_style = "prefixed"
    assert zuora.table(query)[0] == ["Account.Id", "Account.AccountNumber"]


def test_a_parents_id_can_be_asked_by_the_parents_name(zuora: Zuora) -> None:
    rows = zuora.table("select Id, Account.Id from Invoice")
    assert rows[0] == ["Id", "Account.Id"]
    assert rows[1][1] == "2c92" + "1".zfill(28)


def test_files_come_as_csv_gzip_or_zip(zuora: Zuora) -> None:
    plain, packed, zipped = (
        zuora.download(zuora.run(ACCOUNTS, format=form)["batches"][0]["fileId"]) for form in ("csv", "gzip", "zip")
    )
    assert gzip.decompress(packed) == plain
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        (name,) = archive.namelist()
        assert archive.read(name) == plain


def test_a_large_result_comes_in_segments(served: Served, zuora: Zuora) -> None:
    served.tenant.options.segment_rows = 3
    (batch,) = zuora.run(ACCOUNTS, format="gzip")["batches"]
    assert "fileId" not in batch
    parts = [rows_of(gzip.decompress(zuora.download(segment))) for segment in batch["segments"]]
    assert [len(part) - 1 for part in parts] == [3, 3, 2]
    assert {part[0][0] for part in parts} == {"Id"}
    assert len({row[0] for part in parts for row in part[1:]}) == batch["recordCount"] == 8


def test_deleted_rows_come_flagged_for_thirty_days(zuora: Zuora) -> None:
    rows = zuora.table(deleted("select AccountNumber from Account"))
    assert rows[0] == ["AccountNumber", "Deleted"]
    assert ["A8", "true"] in rows
    assert ["A1", "false"] in rows
    assert "A9" not in [row[0] for row in rows]
    assert ["A8", "1"] in zuora.table(deleted("select AccountNumber from Account", "Numeric"))


def test_a_deletion_counts_as_the_rows_last_update(zuora: Zuora) -> None:
    query = "select AccountNumber, UpdatedDate from Account where UpdatedDate >= '2026-06-15T00:00:00+00:00'"
    assert zuora.table(deleted(query))[1:] == [["A8", "2026-06-15T01:00:00+0000", "true"]]
    assert zuora.table(query)[1:] == []


def test_all_queries_of_a_job_see_one_state(servers: Servers) -> None:
    world = TinyWorld()
    served = serve(servers, world)
    stop = threading.Event()

    def business() -> None:
        number = 100
        while not stop.is_set():
            number += 1
            with world.lock:
                world.sql('INSERT INTO zuora."Account" ("Id") VALUES (?)', [f"new-{number}"])
                world.sql('INSERT INTO zuora."Invoice" ("Id") VALUES (?)', [f"new-{number}"])

    worker = threading.Thread(target=business)
    worker.start()
    try:
        headers = {"Authorization": f"Bearer {served.ask_token().json()['access_token']}"}
        with httpx.Client(base_url=served.url, headers=headers) as client:
            for _ in range(8):
                job = Zuora(client).run("select Id from Account", "select Id from Invoice")
                accounts, invoices = (batch["recordCount"] for batch in job["batches"])
                assert accounts - 8 == invoices - 3
    finally:
        stop.set()
        worker.join()


def test_a_query_on_an_object_without_permission_is_left_out_without_a_word(served: Served, zuora: Zuora) -> None:
    served.tenant.options.hidden = frozenset({"Invoice"})
    job = zuora.run(ACCOUNTS, "select Id from Invoice")
    assert job["status"] == "completed"
    assert [batch["name"] for batch in job["batches"]] == ["q0"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select Colour from Account", "There is no field named Colour"),
        ("select Id from Nothing", "There is no object named Nothing"),
        ("select Id from Account where", "the query ends too early"),
        ("select * from Account", "'*'"),
        ("select Id from Account order by Id", "'order'"),
        ("select Id from Account; drop table Account", "';"),
        ("select Id from Account where Balance > 'much'", "invalid value"),
        ("select Id from Account where AutoPay = 3", "invalid value"),
        ("select Id from Account where UpdatedDate > 'yesterday'", "invalid value"),
        ("select Id from Account where Name = Id", "a value is expected"),
    ],
)
def test_a_query_that_cannot_be_read_is_error_90005(zuora: Zuora, query: str, words: str) -> None:
    answer = zuora.submit(query)
    assert (answer["status"], answer["errorCode"]) == ("error", "90005")
    assert words in answer["message"]
    assert "id" not in answer


def test_errors_come_inside_an_answer_that_is_ok(served: Served, zuora: Zuora) -> None:
    assert zuora.submit(*[ACCOUNTS] * 51)["errorCode"] == "90004"
    assert zuora.submit()["errorCode"] == "90016"
    assert zuora.submit(ACCOUNTS, partner="p", project="q")["errorCode"] == "90009"
    assert zuora.client.get("/v1/batch-query/jobs/unknown").json()["errorCode"] == "90002"
    assert zuora.client.delete("/v1/batch-query/jobs/unknown").json()["errorCode"] == "90003"
    served.tenant.options.stateless_deletes = False
    assert zuora.submit(deleted(ACCOUNTS))["errorCode"] == "90012"
    served.tenant.options.aqua_allowed = False
    assert zuora.submit(ACCOUNTS)["errorCode"] == "90009"


def test_a_job_can_fail_after_it_was_taken(served: Served, zuora: Zuora) -> None:
    served.tenant.jobs.fail_next("failed", 90010)
    job = zuora.run(ACCOUNTS)
    assert (job["status"], job["errorCode"], job["batches"][0]["status"]) == ("failed", "90010", "aborted")
    assert "fileId" not in job["batches"][0]
    assert zuora.run(ACCOUNTS)["status"] == "completed"


def test_a_job_under_way_can_be_cancelled(served: Served, zuora: Zuora) -> None:
    with served.world.lock:
        job = zuora.client.post(
            "/v1/batch-query/", json={"queries": [{"name": "q", "type": "zoqlexport", "query": ACCOUNTS}]}
        ).json()
        answer = zuora.client.delete(f"/v1/batch-query/jobs/{job['id']}").json()
    assert answer["status"] == "cancelled"
    assert zuora.finished(job["id"])["status"] == "cancelled"


def test_files_need_their_own_id(zuora: Zuora) -> None:
    assert zuora.client.get("/v1/file/unknown").status_code == 404


def test_a_file_is_streamed_and_can_be_cut_short(served: Served, zuora: Zuora) -> None:
    (batch,) = zuora.run(ACCOUNTS)["batches"]
    assert zuora.client.get(f"/v1/file/{batch['fileId']}").headers["transfer-encoding"] == "chunked"
    served.faults.arm("GET /v1/file/", truncate_after=20)
    with pytest.raises(Exception, match="closed|incomplete"):
        zuora.download(batch["fileId"])


def test_result_files_go_when_the_server_stops() -> None:
    with Servers() as servers:
        served = serve(servers, TinyWorld(), ZuoraOptions())
        folder = served.tenant.folder
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.parametrize(("judged", "status"), [("on submission", None), ("when run", "aborted")])
def test_a_field_may_be_described_and_yet_refused(
    served: Served, zuora: Zuora, judged: str, status: str | None
) -> None:
    served.tenant.options.judged = judged  # type: ignore[assignment]
    served.tenant.options.refused = frozenset({"Account.Name"})
    assert b"<name>Name</name>" in zuora.client.get("/v1/describe/Account").content
    answer = zuora.submit(ACCOUNTS, "select Id from Invoice")
    if status is None:
        assert answer["errorCode"] == "90005"
        assert "(Error = There is no field named Name, Query = select Id, Name from Account)" in answer["message"]
        return
    job = zuora.finished(answer["id"])
    assert (job["status"], [batch["status"] for batch in job["batches"]]) == ("error", [status, "completed"])


def test_an_object_may_have_no_deleted_rows_to_show(served: Served, zuora: Zuora) -> None:
    served.tenant.options.undeletable = frozenset({"Account"})
    assert zuora.submit(deleted(ACCOUNTS))["errorCode"] == "90017"
    served.tenant.options.judged = "when run"
    job = zuora.run(deleted(ACCOUNTS), deleted("select Id from Invoice") | {"name": "r"})
    assert [batch["status"] for batch in job["batches"]] == ["deleted_notallowed", "completed"]
    assert "fileId" not in job["batches"][0]


def test_too_many_jobs_at_once_are_refused(served: Served, zuora: Zuora) -> None:
    served.tenant.options.jobs_at_once = 1
    served.tenant.options.polls_until_done = 2
    first = zuora.submit(ACCOUNTS)
    refused = zuora.submit(ACCOUNTS)
    assert (refused["errorCode"], "concurrent" in refused["message"]) == ("90018", True)
    zuora.finished(first["id"])
    assert "errorCode" not in zuora.submit(ACCOUNTS)


def test_files_expire(served: Served, zuora: Zuora) -> None:
    job = zuora.run(ACCOUNTS)
    served.tenant.jobs.forget_files()
    assert zuora.client.get(f"/v1/file/{job['batches'][0]['fileId']}").status_code == 404


def test_files_can_be_spoilt(served: Served, zuora: Zuora) -> None:
    served.tenant.jobs.spoil_next(lambda name, text: name.encode() + text)
    assert zuora.table(ACCOUNTS)[0] == ["q0Id", "Name"]
    assert zuora.table(ACCOUNTS)[0] == ["Id", "Name"]


def test_bare_dates_are_midnights_of_the_zone_that_is_zuoras_own(served: Served, zuora: Zuora) -> None:
    served.tenant.options.system_zone = "Asia/Kathmandu"
    query = "select CreatedDate, UpdatedDate from Account where BillCycleDay <= 2"
    assert [row[0] for row in zuora.table(query)[1:]] == ["2026-06-14T07:00:00+0000", "2026-01-14T08:00:00+0000"]
    served.tenant.options.system_zone = "Etc/GMT+8"
    assert [row[0] for row in zuora.table(query)[1:]] == ["2026-06-14T07:00:00+0000", "2026-01-14"]
