"""Extraction from a Salesforce org on loopback into a lake."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import load_contract
from connectors.errors import (
    ConfigurationError,
    CountMismatch,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    UnknownField,
    UnknownObject,
    UnreadableFile,
    WorkFailed,
)
from connectors.lake.local import LocalLake
from connectors.progress import ProgressEvent, subscribed
from connectors.salesforce.soql import rows_of
from connectors.source import TableState
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import (
    ACCOUNT,
    OPPORTUNITY,
    USER,
    Extract,
    Served,
    rows,
    table,
    window,
)
from tests.sandbox.salesforce.tiny_world import account_id

JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def ids(lake: LocalLake, manifest: Manifest) -> list[str]:
    return [row["Id"] for row in rows(lake, manifest)]


def stored(lake: LocalLake) -> list[str]:
    return sorted(path.name for path in lake.root.rglob("*") if path.is_file() and path.name != "jobs.json")


class TestSnapshot:
    async def test_every_row_comes_once_whatever_the_pages(self, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract()
        assert ids(lake, manifest) == [account_id(n) for n in range(1, 41)]
        assert [p.rows for p in manifest.parts] == [10, 10, 10, 10]
        assert manifest.rows == manifest.source_rows == 40

    async def test_values_arrive_as_salesforce_wrote_them(self, extract: Extract, lake: LocalLake) -> None:
        first, second, third = rows(lake, await extract())[:3]
        assert first["Name"] == 'Acme "Rockets", Inc.'
        assert first["Description"] == 'first line\nsecond "line"\n'
        assert first["Brands__c"] == "Campaign Monitor;Sailthru"
        assert first["SystemModstamp"] == "2026-06-01T00:01:00.000Z"
        assert second["Name"] == "NULL"
        assert third["Name"] == "O'Brien & Söhne"

    async def test_rows_in_the_recycle_bin_come_too(self, extract: Extract, lake: LocalLake) -> None:
        found = {row["Id"]: row["IsDeleted"] for row in rows(lake, await extract())}
        assert found[account_id(9)] == "true"
        assert found[account_id(8)] == "false"

    async def test_pages_are_stored_as_sent_on_the_wire(self, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract()
        for part in manifest.parts:
            packed = Path(lake.uri(manifest, part)).read_bytes()
            assert len(packed) == part.bytes
            assert part.name.endswith(".csv.gz")
            assert gzip.decompress(packed).startswith(b'"Id"') or gzip.decompress(packed).startswith(b"Id,")

    async def test_a_server_that_does_not_compress_gives_plain_parts(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        csv = '"Id","IsDeleted","Name","Amount","SystemModstamp"\n' + "".join(f'"{n}","","","",""\n' for n in range(5))
        headers = {"Sforce-NumberOfRecords": "5", "Sforce-Locator": "null", "Content-Type": "text/csv"}
        served.faults.arm("GET .*/results", status=200, headers=headers, body=csv)
        manifest = await extract(OPPORTUNITY)
        assert manifest.parts[0].name.endswith(".csv")
        assert ids(lake, manifest) == ["0", "1", "2", "3", "4"]

    async def test_a_page_size_is_kept_by_following_locators(self, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract(page_rows=7)
        assert ids(lake, manifest) == [account_id(n) for n in range(1, 41)]
        assert max(p.rows or 0 for p in manifest.parts) <= 7

    async def test_an_org_of_before_parallel_pages_is_read_by_locators(self, extract: Extract, lake: LocalLake) -> None:
        assert len(ids(lake, await extract(api_version="57.0"))) == 40

    async def test_more_pages_than_one_answer_names_are_all_fetched(
        self, options: SalesforceOptions, extract: Extract, lake: LocalLake
    ) -> None:
        options.bulk_page_rows = 3
        manifest = await extract()
        assert len(manifest.parts) == 14
        assert ids(lake, manifest) == [account_id(n) for n in range(1, 41)]

    async def test_an_object_without_rows_gives_a_manifest_without_parts(
        self, served: Served, extract: Extract
    ) -> None:
        served.world.sql('DELETE FROM salesforce."Opportunity"')
        manifest = await extract(OPPORTUNITY)
        assert manifest.parts == ()
        assert manifest.source_rows == 0

    async def test_a_row_changed_while_the_snapshot_was_taken_is_not_missing(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        hi = served.world.now
        served.world.now += timedelta(seconds=30)
        served.world.sql(
            'UPDATE salesforce."Account" SET "SystemModstamp" = ? WHERE "Id" = ?',
            [(hi + timedelta(seconds=10)).replace(tzinfo=None), account_id(1)],
        )
        assert account_id(1) in ids(lake, await extract(window=Window(None, hi)))

    async def test_users_who_have_no_deleted_flag_come_as_well(self, extract: Extract, lake: LocalLake) -> None:
        assert [row["Username"] for row in rows(lake, await extract(USER))] == ["ada@mgdw.example"]


class TestIncrement:
    async def test_a_window_holds_its_start_but_not_its_end(self, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract(window=window(JUNE + timedelta(minutes=5), minutes=5))
        assert ids(lake, manifest) == [account_id(n) for n in range(5, 10)]

    async def test_a_window_reads_back_by_the_overlap(self, extract: Extract, lake: LocalLake) -> None:
        manifest = await extract(window=window(JUNE + timedelta(minutes=35), minutes=3), overlap_seconds=120)
        assert ids(lake, manifest) == [account_id(n) for n in range(33, 38)]

    async def test_records_that_vanished_are_listed_with_their_time(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        gone = datetime(2026, 6, 14, 12, tzinfo=UTC)
        served.world.sql(
            'UPDATE salesforce."Account" SET "_deleted_at" = ? WHERE "Id" = ?',
            [gone.replace(tzinfo=None), account_id(3)],
        )
        manifest = await extract(window=window(gone - timedelta(hours=1), hours=2))
        (part,) = [p for p in manifest.parts if p.kind == "deletes"]
        lines = Path(lake.uri(manifest, part)).read_text().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"Id": account_id(3), "deletedDate": "2026-06-14T12:00:00.000Z"}
        ]
        assert part.rows == 1
        assert part.header == ("Id", "deletedDate")

    async def test_a_snapshot_lists_no_deletions(self, served: Served, extract: Extract) -> None:
        served.world.sql(
            'UPDATE salesforce."Account" SET "_deleted_at" = TIMESTAMP \'2026-06-14\' WHERE "Id" = ?', [account_id(3)]
        )
        assert {p.kind for p in (await extract()).parts} == {"rows"}

    async def test_deletions_older_than_salesforce_knows_are_noted(self, served: Served, extract: Extract) -> None:
        now = served.world.now
        manifest = await extract(window=Window(now - timedelta(days=20), now))
        assert manifest.details["deletes_known_since"] == (now - timedelta(days=14)).isoformat()

    async def test_an_object_whose_deletions_are_not_kept_is_read_all_the_same(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        body = [{"errorCode": "INVALID_TYPE_FOR_OPERATION", "message": "not supported"}]
        served.faults.arm("GET .*/deleted", status=400, body=body)
        manifest = await extract(window=window(JUNE, minutes=4))
        assert ids(lake, manifest) == [account_id(n) for n in range(1, 4)]


class TestHorizon:
    async def test_it_is_salesforces_clock_and_not_ours(self, served: Served) -> None:
        async with served.source() as source:
            assert await source.horizon(ACCOUNT) == served.world.now

    async def test_it_stays_behind_a_transaction_that_is_still_open(self, served: Served) -> None:
        served.org.hold_transaction(600)
        async with served.source() as source:
            assert await source.horizon(ACCOUNT) == served.world.now - timedelta(seconds=600)

    async def test_it_stays_behind_by_the_lag(self, served: Served) -> None:
        async with served.source(lag_seconds=90) as source:
            assert await source.horizon(ACCOUNT) == served.world.now - timedelta(seconds=90)

    async def test_a_table_is_planned_whole_then_by_what_is_new(self, served: Served) -> None:
        async with served.source() as source:
            (first,) = await source.plan(ACCOUNT, TableState())
            assert first.window == Window(None, served.world.now)
            done = TableState(windows=(first.window,))
            assert await source.plan(ACCOUNT, done) == []
            served.world.advance()
            (second,) = await source.plan(ACCOUNT, done)
        assert second.window == Window(first.window.hi, served.world.now)


class TestRepeating:
    async def test_a_batch_in_the_lake_is_not_fetched_again(self, served: Served, extract: Extract) -> None:
        first = await extract()
        served.faults.clear()
        assert await extract() == first
        assert not [line for line in served.faults.seen if "/jobs/query" in line]

    async def test_a_run_leaves_no_job_behind(self, served: Served, extract: Extract) -> None:
        await extract()
        assert served.jobs_left == 0

    async def test_a_batch_that_failed_is_whole_the_next_time(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        served.faults.arm("GET .*/results", times=4, status=503)
        with pytest.raises(SourceUnavailable):
            await extract(pages_at_once=1)
        assert not [name for name in stored(lake) if name == "manifest.json"]
        assert len(ids(lake, await extract())) == 40


class TestSeveralTables:
    async def test_one_failing_table_does_not_stop_the_others(self, served: Served, lake: LocalLake) -> None:
        broken = table("sfdc_lead", "Lead__x", "Id", "SystemModstamp")
        requests = [BatchRequest(t, Window(None, served.world.now)) for t in (broken, ACCOUNT, OPPORTUNITY, USER)]
        done: set[str] = set()
        async with served.source() as source:
            with pytest.raises(ExceptionGroup) as caught:
                async for manifest in source.extract(requests, lake):
                    done.add(manifest.table)
        assert done == {"sfdc_account", "sfdc_opportunity", "sfdc_user"}
        (error,) = caught.value.exceptions
        assert isinstance(error, UnknownObject)
        assert error.facts["table"] == "sfdc_lead"

    async def test_progress_is_told_page_by_page(self, extract: Extract) -> None:
        events: list[ProgressEvent] = []
        with subscribed(events.append):
            manifest = await extract()
        assert [e.rows for e in events if e.stage == "extracting"] == [10, 20, 30, 40]
        assert (events[-1].stage, events[-1].rows, events[-1].bytes) == ("extracted", 40, manifest.bytes)


class TestFaults:
    async def test_a_session_that_expires_in_mid_run_is_renewed_once(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        served.faults.arm("GET .*/results", after=1, act=served.org.expire_sessions)
        manifest = await extract()
        assert ids(lake, manifest) == [account_id(n) for n in range(1, 41)]
        assert served.org.logins == 2

    async def test_a_session_that_expired_before_describe_is_renewed(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        served.faults.arm("GET .*/describe", act=served.org.expire_sessions)
        assert len(ids(lake, await extract())) == 40

    @pytest.mark.parametrize("after", [0, 1, 50, 200])
    async def test_a_page_cut_off_in_its_middle_is_fetched_again(
        self, served: Served, extract: Extract, lake: LocalLake, after: int
    ) -> None:
        served.faults.arm("GET .*/results", after=1, times=2, truncate_after=after)
        manifest = await extract()
        assert ids(lake, manifest) == [account_id(n) for n in range(1, 41)]
        assert stored(lake) == sorted([*(p.name for p in manifest.parts), "manifest.json"])

    async def test_a_page_whose_gzip_ends_early_but_whose_length_agrees_is_fetched_again(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        packed = gzip.compress(b'"Id","IsDeleted"\n' + b'"001","false"\n' * 10)[:-12]
        headers = {"Sforce-NumberOfRecords": "10", "Content-Encoding": "gzip", "Content-Type": "text/csv"}
        served.faults.arm("GET .*/results", status=200, headers=headers, body=packed)
        assert ids(lake, await extract()) == [account_id(n) for n in range(1, 41)]

    async def test_an_answer_lost_on_the_way_back_is_asked_for_again(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        for call in ("POST .*/jobs/query$", "GET .*/jobs/query/", "GET .*/resultPages", "GET .*/results", "DELETE"):
            served.faults.arm(call, drop="after")
        assert len(ids(lake, await extract())) == 40

    async def test_the_wait_salesforce_asks_for_is_kept(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        page = "<html><body>We are down for maintenance</body></html>"
        headers = {"Retry-After": "9", "Content-Type": "text/html"}
        served.faults.arm("GET .*/results", status=503, headers=headers, body=page)
        assert len(ids(lake, await extract())) == 40
        assert 9 in served.pauses.waits

    async def test_a_server_that_is_down_is_said_to_be_down(self, served: Served, extract: Extract) -> None:
        with pytest.raises(SourceUnavailable, match="salesforce: POST token endpoint got no answer"):
            await extract(login_url="http://127.0.0.1:1")

    async def test_a_wrong_secret_is_refused_without_being_shown(self, served: Served, extract: Extract) -> None:
        with pytest.raises(CredentialsRefused) as caught:
            await extract(client_secret="not-the-secret")
        assert "invalid client credentials" in str(caught.value)
        assert "not-the-secret" not in f"{caught.value!s} {caught.value!r} {caught.value.facts}"
        assert served.org.logins == 0

    async def test_an_unknown_object_names_the_table(self, extract: Extract) -> None:
        with pytest.raises(UnknownObject, match="sfdc_gizmo: Salesforce has no object Gizmo__c"):
            await extract(table("sfdc_gizmo", "Gizmo__c", "Id", "SystemModstamp"))

    async def test_unknown_fields_are_all_named_before_any_job_is_made(self, served: Served, extract: Extract) -> None:
        wrong = table("sfdc_account", "Account", "Id", "Nme", "Brand__c", "Owner.Name", "SystemModstamp")
        with pytest.raises(UnknownField, match=r"Nme, Brand__c") as caught:
            await extract(wrong)
        assert caught.value.facts["table"] == "sfdc_account"
        assert not [line for line in served.faults.seen if "/jobs/query" in line]

    async def test_a_failed_job_tells_salesforces_reason(self, served: Served, extract: Extract) -> None:
        served.org.jobs.arm("FROM Account", fail="InternalServerError : the disk is on fire")
        with pytest.raises(WorkFailed, match="the disk is on fire") as caught:
            await extract()
        assert caught.value.facts["state"] == "Failed"
        assert served.jobs_left == 0

    async def test_a_job_that_takes_its_time_is_waited_for_ever_more_patiently(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        served.org.jobs.arm("FROM Account", polls=8)
        manifest = await extract(first_poll_seconds=1, longest_poll_seconds=6)
        assert len(ids(lake, manifest)) == 40
        assert served.pauses.waits[:5] == [1, 2, 4, 6, 6]

    async def test_pages_that_hold_fewer_rows_than_the_job_counted_are_no_success(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        served.faults.arm("GET .*/results", headers={"Sforce-NumberOfRecords": "9"})
        with pytest.raises(CountMismatch, match="hold 39 rows, the job counted 40"):
            await extract()
        assert "manifest.json" not in stored(lake)

    async def test_a_page_with_other_columns_than_asked_for_is_refused(self, served: Served, extract: Extract) -> None:
        headers = {"Sforce-NumberOfRecords": "1", "Content-Type": "text/csv"}
        served.faults.arm("GET .*/results", status=200, headers=headers, body='"Id","Surprise"\n"1","2"\n')
        with pytest.raises(UnreadableFile, match="Surprise"):
            await extract()

    async def test_a_page_that_does_not_say_how_many_rows_it_holds_is_refused(
        self, served: Served, extract: Extract
    ) -> None:
        served.faults.arm("GET .*/results", status=200, headers={"Content-Type": "text/csv"}, body='"Id"\n"1"\n')
        with pytest.raises(UnreadableFile, match="how many records"):
            await extract()

    async def test_a_used_up_quota_is_told_at_once(self, served: Served, extract: Extract) -> None:
        body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
        served.faults.arm("POST .*/jobs/query$", status=403, body=body, times=None)
        with pytest.raises(RateLimited, match="TotalRequests Limit exceeded") as caught:
            await extract()
        assert "24 hours" in caught.value.remedy
        assert served.pauses.waits == []

    async def test_the_last_part_of_the_quota_is_left_to_others(
        self, served: Served, options: SalesforceOptions, extract: Extract
    ) -> None:
        options.daily_api_requests = 10
        with pytest.raises(RateLimited, match="of 10 API calls are used"):
            await extract(quota_share=0.4)
        assert served.org.api_requests < 7

    async def test_a_permission_that_is_missing_is_named(self, served: Served, extract: Extract) -> None:
        body = [{"errorCode": "API_ERROR", "message": "Implementation restriction: needs View All Data"}]
        served.faults.arm("POST .*/jobs/query$", status=400, body=body)
        with pytest.raises(PermissionMissing) as caught:
            await extract()
        assert "View All Data" in caught.value.remedy


class TestDrift:
    async def test_fields_missing_and_fields_new_are_told(self, served: Served) -> None:
        contract = table("sfdc_user", "User", "Id", "Nickname", "SystemModstamp")
        async with served.source() as source:
            drift = await source.drift(contract)
        assert drift.missing == ("Nickname",)
        assert drift.added == ("Username",)

    async def test_an_object_is_described_once_a_run(self, served: Served) -> None:
        async with served.source() as source:
            await source.drift(ACCOUNT)
            await source.horizon(ACCOUNT)
        assert len([line for line in served.faults.seen if "describe" in line]) == 1


async def test_no_secret_reaches_the_lake(served: Served, extract: Extract, lake: LocalLake) -> None:
    await extract()
    (token,) = served.org._sessions
    for path in lake.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert served.credentials.client_secret.encode() not in content
            assert token.encode() not in content


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ({"access_token": "t", "instance_url": "http://acme.example"}, ConfigurationError, "in the clear"),
        ({"access_token": "t", "instance_url": "acme"}, ConfigurationError, "is no URL"),
        ({"instance_url": "https://acme.my.salesforce.com"}, SourceUnavailable, "no 'access_token'"),
        ("<html>Log in here</html>", SourceUnavailable, "not the JSON object"),
    ],
)
async def test_a_login_answer_that_makes_no_sense_is_explained(
    served: Served, extract: Extract, answer: object, kind: type[MgdwError], words: str
) -> None:
    served.faults.arm("POST /services/oauth2/token", status=200, body=answer, times=None)
    with pytest.raises(kind, match=words):
        await extract()


async def test_a_certificate_logs_in_as_well(served: Served, extract: Extract, lake: LocalLake) -> None:
    manifest = await extract(
        auth="jwt",
        username=served.credentials.username,
        private_key=served.credentials.private_key.replace("\n", "\\n"),
    )
    assert len(ids(lake, manifest)) == 40


def test_every_salesforce_table_of_the_contract_can_be_asked_for() -> None:
    now = datetime(2026, 6, 15, tzinfo=UTC)
    for one in load_contract().of("salesforce"):
        request = BatchRequest(one, Window(now - timedelta(days=1), now))
        soql = rows_of(request, request.fields, timedelta(minutes=30)).soql
        changed = "SystemModstamp >= 2026-06-13T23:30:00.000Z AND SystemModstamp < 2026-06-15T00:00:00.000Z"
        assert soql.endswith(f" FROM {one.object} WHERE {changed}")
