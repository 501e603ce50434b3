"""Files that may not be whole wait for a later run, and people hear of it when it takes too long."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.contract import CompleteWhen, FileRules, Table
from connectors.lake.local import LocalLake
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import DAY, Sent, csv_body, extracted, failures, sent

NOW = DAY + timedelta(days=10)


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    """A bucket whose clock stands still ten days after the first delivery."""
    with S3Server(clock=lambda: NOW) as server:
        yield server


def _with(table: Table, kind: Any, name: str) -> Table:
    return replace(table, files=FileRules(complete_when=CompleteWhen(kind, name)))


def _ago(file: Sent, seconds: float) -> Sent:
    return replace(file, last_modified=NOW - timedelta(seconds=seconds))


async def _planned(source: S3Source, table: Table, state: TableState | None = None) -> list[str]:
    planned = await source.plan(table, state or TableState())
    return [file.key for batch in planned for file in batch.files]


async def _told(source: S3Source, table: Table) -> list[tuple[bool, str]]:
    return [(f.is_alert, f.text) for f in await source.findings(table, TableState())]


async def test_a_file_that_has_just_arrived_waits_by_the_clock_of_s3(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    body = csv_body(cm, ["A1"])
    bucket.deliver([_ago(sent("cm/usage/new.csv", body), 59), _ago(sent("cm/usage/old.csv", body), 60)])

    assert await _planned(source, cm) == ["cm/usage/old.csv"]
    assert await _told(source, cm) == [
        (False, "s3_cm_usage_data: cm/usage/new.csv waits since 1 min: it arrived less than 60 s ago.")
    ]


async def test_without_an_answer_of_the_clock_the_machines_own_is_taken(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([replace(sent("cm/usage/a.csv", csv_body(cm, ["A1"])), last_modified=datetime.now(UTC))])
    bucket.faults.arm("HEAD /$", times=None, drop="before")

    assert await _planned(source, cm) == []


async def test_a_delivery_that_came_while_the_file_was_read_waits_if_it_is_too_young(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/b.csv", csv_body(cm, ["B1"]))])
    requests = await source.plan(cm, TableState())
    half = _ago(sent("cm/usage/a.csv", csv_body(cm, [])), 1)
    bucket.faults.arm("GET .*a.csv", act=lambda: bucket.deliver([half]))

    [manifest], [error] = await failures(source, requests, lake)

    assert [f.key for f in manifest.files] == ["cm/usage/b.csv"]
    assert "cm/usage/a.csv was delivered again while it was read" in error.cause


async def test_files_wait_for_the_marker_of_their_folder(bucket: S3Server, source: S3Source, cm: Table) -> None:
    table, body = _with(cm, "marker", "_SUCCESS"), csv_body(cm, ["A1"])
    days = [sent(f"cm/usage/dt=2026-06-0{day}/region={n}/part-{n}.csv", body) for day in (1, 2) for n in (0, 1)]
    bucket.deliver([*days, sent("cm/usage/dt=2026-06-01/_SUCCESS", b"", packed=False)])

    assert await _planned(source, table) == [f.key for f in days[:2]]
    told = await _told(source, table)
    assert [alert for alert, _ in told] == [True, True]
    for file, (_, text) in zip(days[2:], told, strict=True):
        assert f"{file.key} waits since 10 days: there is no {file.key.rpartition('/')[0]}/_SUCCESS yet" in text

    bucket.deliver([sent("cm/usage/dt=2026-06-02/_SUCCESS", b"", packed=False)])
    assert await _planned(source, table) == [f.key for f in days]


async def test_a_marker_of_an_earlier_delivery_does_not_stand_for_the_next_one(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    table, marker = _with(cm, "marker", "_SUCCESS"), "cm/usage/dt=2026-06-01/_SUCCESS"
    bucket.deliver([sent("cm/usage/dt=2026-06-01/a.csv", csv_body(cm, ["A1"]), day=1), sent(marker, b"", packed=False)])

    assert await _planned(source, table) == []
    assert f"{marker} is older than the file" in (await _told(source, table))[0][1]

    bucket.deliver([sent(marker, b"", day=1, packed=False)])
    assert await _planned(source, table) == ["cm/usage/dt=2026-06-01/a.csv"]


async def test_each_file_may_have_a_marker_of_its_own(bucket: S3Server, source: S3Source, cm: Table) -> None:
    table = _with(cm, "marker", "*.ctl")
    bucket.deliver(sent(f"cm/usage/{n}.csv", csv_body(cm, ["A1"])) for n in (1, 2))
    bucket.deliver([sent("cm/usage/2.csv.ctl", b"rows=1", packed=False)])

    assert await _planned(source, table) == ["cm/usage/2.csv"]


async def test_what_is_loaded_waits_for_no_marker_when_it_is_read_again(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/b.csv", csv_body(cm, ["A1"]))])
    [batch] = await source.plan(cm, TableState())
    state = TableState(files=frozenset((f.bucket, f.key, f.token) for f in batch.files[:1]))

    [again] = await source.plan(_with(cm, "marker", "_SUCCESS"), state, full=True)

    assert [f.key for f in again.files] == ["cm/usage/a.csv"]


def _manifest(*entries: dict[str, Any], name: str = "files") -> Sent:
    return sent("cm/usage/dt=1/manifest.json", json.dumps({name: entries}).encode(), packed=False)


async def test_a_set_is_whole_when_all_files_of_its_manifest_are_there(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    table = _with(cm, "manifest", "manifest.json")
    one, two = (sent(f"cm/usage/dt=1/{n}.csv", csv_body(cm, [f"A{n}"], quoted=True)) for n in (1, 2))
    bucket.deliver([one, sent("cm/usage/dt=1/stray.csv", csv_body(cm, ["A3"]))])
    assert await _planned(source, table) == []
    assert "there is no cm/usage/dt=1/manifest.json yet" in (await _told(source, table))[0][1]

    bucket.deliver(
        [
            _manifest(
                {"name": "1.csv", "rows": 1, "bytes": len(one.body), "md5": hashlib.md5(one.body).hexdigest()},
                {
                    "url": f"s3://{bucket.bucket}/{two.key}",
                    "meta": {"record_count": 1, "content_length": len(two.body)},
                },
            )
        ]
    )
    assert await _planned(source, table) == []
    assert any("names cm/usage/dt=1/2.csv, which is not there" in text for _, text in await _told(source, table))

    bucket.deliver([two])
    requests = await source.plan(table, TableState())
    [manifest] = await extracted(source, requests, lake)
    assert [f.key for f in manifest.files] == [one.key, two.key]
    assert (manifest.source_rows, [part.rows for part in manifest.parts]) == (2, [1, 1])
    assert ["does not name it" in text for _, text in await _told(source, table)] == [True]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"rows": 2}, "has 1 rows, its manifest says 2"),
        ({"md5": "0" * 32}, "another md5"),
        ({"sha256": "f" * 64}, "another sha256"),
    ],
)
async def test_a_file_that_is_not_what_its_manifest_says_is_set_aside(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table, entry: dict[str, Any], reason: str
) -> None:
    table = _with(cm, "manifest", "manifest.json")
    bucket.deliver(sent(f"cm/usage/dt=1/{n}.csv", csv_body(cm, ["A1"]), day=n) for n in (1, 2))
    bucket.deliver([_manifest({"name": "1.csv", **entry}, {"name": "2.csv"}, name="entries")])

    [manifest], [error] = await failures(source, await source.plan(table, TableState()), lake)

    assert reason in error.cause
    assert [f.key for f in manifest.files] == ["cm/usage/dt=1/2.csv"]
    assert manifest.source_rows is None


@pytest.mark.parametrize(
    ("body", "reason"), [(b"{", "is no JSON"), (b"[]", "has no list"), (b'{"files": [{}]}', "an entry without a name")]
)
async def test_a_manifest_that_cannot_be_read_keeps_its_set_waiting(
    bucket: S3Server, source: S3Source, cm: Table, body: bytes, reason: str
) -> None:
    table = _with(cm, "manifest", "manifest.json")
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/manifest.json", body, packed=False)])

    assert await _planned(source, table) == []
    assert reason in (await _told(source, table))[0][1]


async def test_waiting_is_an_alert_only_after_the_hours_of_the_settings(
    bucket: S3Server, settings: S3Settings, cm: Table
) -> None:
    table = _with(cm, "marker", "_SUCCESS")
    bucket.deliver([_ago(sent("cm/usage/a.csv", csv_body(cm, ["A1"])), 7200)])

    for hours, is_alert in ((1.9, True), (2.1, False)):
        source = S3Source(settings.model_copy(update={"incomplete_hours": hours}))
        assert [alert for alert, _ in await _told(source, table)] == [is_alert]


async def test_a_gzipped_manifest_is_not_taken_for_one(bucket: S3Server, source: S3Source, cm: Table) -> None:
    table = _with(cm, "manifest", "manifest.json")
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
    bucket.deliver([sent("cm/usage/manifest.json", gzip.compress(b'{"files": ["a.csv"]}'), packed=False)])

    assert await _planned(source, table) == []
