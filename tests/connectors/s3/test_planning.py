"""Which files are fetched: what is new, what came again, what is no delivery."""

from __future__ import annotations

import pytest

from connectors.contract import Table
from connectors.errors import UnknownObject
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import DAY, csv_body, jsonl_body, sent


def _loaded(*batches: object) -> TableState:
    return TableState(files=frozenset((f.bucket, f.key, f.token) for b in batches for f in b.files))  # type: ignore[attr-defined]


async def test_a_first_run_takes_every_file_oldest_delivery_first(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    body = csv_body(cm, ["A1"])
    bucket.deliver([sent("cm/usage/b.csv.gz", body, day=0), sent("cm/usage/a.csv.gz", body, day=1)])

    [batch] = await source.plan(cm, TableState())

    assert [f.key for f in batch.files] == ["cm/usage/b.csv.gz", "cm/usage/a.csv.gz"]
    assert batch.window.lo == DAY
    assert not batch.window.is_snapshot


async def test_a_second_run_finds_nothing_and_a_full_run_takes_all_again(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, ["A1"]))])
    planned = await source.plan(cm, TableState())

    assert await source.plan(cm, _loaded(*planned)) == []
    [again] = await source.plan(cm, _loaded(*planned), full=True)
    assert (again.files, again.window) == (planned[0].files, planned[0].window)
    assert again.batch_id != planned[0].batch_id  # or the lake's copy would do, and nothing would be read


async def test_a_file_delivered_again_is_taken_again(bucket: S3Server, source: S3Source, cm: Table) -> None:
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, ["A1"])), sent("cm/usage/b.csv.gz", csv_body(cm, ["A1"]))])
    first = await source.plan(cm, TableState())
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, ["A1", "A2"]), day=1)])

    second = await source.plan(cm, _loaded(*first))

    assert [[f.key for f in batch.files] for batch in second] == [["cm/usage/a.csv.gz"]]
    assert second[0].batch_id != first[0].batch_id


async def test_content_that_comes_back_is_a_delivery_of_its_own(bucket: S3Server, source: S3Source, cm: Table) -> None:
    right, wrong = csv_body(cm, ["A1"]), csv_body(cm, ["A1", "A9"])
    batches = []
    for day, body in enumerate((right, wrong, right)):
        bucket.deliver([sent("cm/usage/a.csv.gz", body, day=day)])
        batches += await source.plan(cm, _loaded(*batches))

    assert len({batch.batch_id for batch in batches}) == 3


async def test_a_file_that_shows_up_late_with_an_early_time_is_not_lost(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/small.csv.gz", csv_body(cm, ["A1"]), day=5)])
    first = await source.plan(cm, TableState())
    bucket.deliver([sent("cm/usage/large.csv.gz", csv_body(cm, ["A2"]), day=4)])

    second = await source.plan(cm, _loaded(*first))

    assert [f.key for batch in second for f in batch.files] == ["cm/usage/large.csv.gz"]


async def test_what_senders_leave_beside_their_files_is_no_delivery(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    body = csv_body(cm, ["A1"])
    debris = ("_temporary/0/x.csv.gz", "_SUCCESS", ".hidden.csv", "x.csv.gz.tmp", "x.csv.gz.done", "day=1/.part/x.csv")
    bucket.deliver(sent(f"cm/usage/{name}", body) for name in debris)
    bucket.deliver([sent("cm/usage/", b"", packed=False), sent("cm/usage/empty.csv", b"", packed=False)])
    bucket.deliver([sent("cm/other/x.csv.gz", body), sent("cm/usage/dt=2026-06-01/part-0.csv.gz", body)])

    [batch] = await source.plan(cm, TableState())

    assert [f.key for f in batch.files] == ["cm/usage/dt=2026-06-01/part-0.csv.gz"]


async def test_batches_are_bounded_by_files_and_by_bytes(bucket: S3Server, settings: S3Settings, cm: Table) -> None:
    body = csv_body(cm, ["A1"])
    bucket.deliver(sent(f"cm/usage/{n}.csv", body, day=n, packed=False) for n in range(5))

    by_files = await S3Source(settings.model_copy(update={"batch_files": 2})).plan(cm, TableState())
    by_bytes = await S3Source(settings.model_copy(update={"batch_bytes": len(body) * 3})).plan(cm, TableState())
    one_each = await S3Source(settings.model_copy(update={"batch_bytes": 1})).plan(cm, TableState())

    assert [len(batch.files) for batch in by_files] == [2, 2, 1]
    assert [len(batch.files) for batch in by_bytes] == [3, 2]
    assert [len(batch.files) for batch in one_each] == [1] * 5


async def test_more_files_than_one_listing_page_are_all_seen(bucket: S3Server, source: S3Source, cm: Table) -> None:
    body = csv_body(cm, ["A1"])
    bucket.deliver(sent(f"cm/usage/{n:04}.csv", body, packed=False) for n in range(1203))

    assert sum(len(batch.files) for batch in await source.plan(cm, TableState())) == 1203


async def test_an_empty_prefix_is_an_error_and_not_an_empty_table(source: S3Source, cm: Table) -> None:
    with pytest.raises(UnknownObject, match="no file below s3://.*/cm/usage/") as caught:
        await source.plan(cm, TableState())
    assert "prefix" in caught.value.remedy


async def test_a_column_that_only_older_files_lack_stops_nothing(bucket: S3Server, source: S3Source, cm: Table) -> None:
    short = b"usage_date,account_number\n2026-05-30,A1\n"
    bucket.deliver([sent("cm/usage/old.csv.gz", short), sent("cm/usage/a.csv.gz", csv_body(cm, ["A1"]), day=1)])

    assert len(await source.plan(cm, TableState())) == 1


async def test_the_horizon_is_the_newest_delivery(bucket: S3Server, source: S3Source, cm: Table) -> None:
    bucket.deliver([sent("cm/usage/a.csv", b"x", packed=False), sent("cm/usage/b.csv", b"x", day=2, packed=False)])

    assert (await source.horizon(cm) - DAY).days == 2


async def test_drift_compares_the_newest_file_with_the_contract(
    bucket: S3Server, source: S3Source, cm: Table, emma: Table
) -> None:
    header, _, rest = csv_body(cm, ["A1"]).partition(b"\n")
    grown = header.replace(b"spam_complaints", b"complaints") + b",sms_sent\n" + rest.replace(b"\n", b",1\n")
    bucket.deliver([sent("cm/usage/a.csv.gz", grown, day=1), sent("cm/usage/old.csv.gz", csv_body(cm, ["A1"]))])
    records = jsonl_body(emma, ["E1"]) + b'{"usage_date": "2026-05-31", "account_number": "E2", "plan": "pro"}\n'
    bucket.deliver([sent("emma/usage/a.jsonl", records, packed=False)])

    of_cm, of_emma = await source.drift(cm), await source.drift(emma)

    assert (of_cm.missing, of_cm.added) == (("spam_complaints",), ("complaints", "sms_sent"))
    assert (of_emma.missing, of_emma.added) == ((), ("plan",))


@pytest.mark.parametrize("rest", [0, 200])
async def test_a_list_that_ends_early_is_asked_for_again(
    bucket: S3Server, source: S3Source, cm: Table, rest: int
) -> None:
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, ["A1"]), day=0)])
    bucket.faults.arm(r"GET .*list-type=2", truncate_after=rest, times=2)

    [batch] = await source.plan(cm, TableState())

    assert [f.key for f in batch.files] == ["cm/usage/a.csv.gz"]
    assert not bucket.faults.pending
