"""What people hear of besides what was loaded: files that are overdue, empty, or came twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from connectors.contract import Expected, FileRules, Table
from connectors.lake.local import LocalLake
from connectors.s3.findings import date_in, missing_dates
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import DAY, csv_body, extracted, sent

NOW = DAY + timedelta(days=10)
DATED = Expected("day", "dt=%Y-%m-%d")


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with S3Server(clock=lambda: NOW) as server:
        yield server


async def _alerts(source: S3Source, table: Table, state: TableState | None = None) -> list[str]:
    return [f.text for f in await source.findings(table, state or TableState()) if f.is_alert]


async def test_a_source_whose_newest_file_is_too_old_is_told_by_its_freshness(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]), day=7)])

    [text] = await _alerts(source, cm)
    assert text.startswith("s3_cm_usage_data: the newest file came 3 days ago, more than the 2 days of its freshness.")

    bucket.deliver([sent("cm/usage/b.csv", csv_body(cm, ["A1"]), day=8)])
    assert await _alerts(source, replace(cm, files=FileRules(stale_after=timedelta(hours=50)))) == []
    assert await _alerts(source, replace(cm, files=FileRules())) == []


async def test_a_day_without_a_file_is_told_until_it_comes(bucket: S3Server, source: S3Source, cm: Table) -> None:
    table = replace(cm, files=FileRules(expected=DATED, stale_after=timedelta(hours=1)))
    body = csv_body(cm, ["A1"])
    bucket.deliver(sent(f"cm/usage/dt=2026-06-{day:02}/u.csv", body, day=day) for day in (1, 2, 4, 7, 8))

    [text] = await _alerts(source, table)
    assert text == (
        "s3_cm_usage_data: the file is missing for 3 days: 2026-06-03, 2026-06-05, 2026-06-06. Ask the sender for it."
    )

    archived = ("b", "cm/usage/dt=2026-06-05/u.csv", "t"), ("b", "cm/usage/dt=2026-06-06/u.csv", "t")
    bucket.deliver([sent("cm/usage/dt=2026-06-03/u.csv", b"", packed=False)])
    state = TableState(files=frozenset(archived))
    source_later = source.__class__(source._settings)
    assert not any("missing" in text for text in await _alerts(source_later, table, state))


@pytest.mark.parametrize(
    ("expected", "days", "missing"),
    [
        (DATED, [1, 2, 3, 4, 5, 6, 7, 8], []),
        (DATED, [1, 2, 3, 4, 5, 6, 7], [8]),
        (replace(DATED, grace_days=0), [1, 2, 3, 4, 5, 6, 7, 8], [9]),
        (replace(DATED, grace_days=5), [3], [4]),
        (DATED, [4, 8], [5, 6, 7]),
        (replace(DATED, gap_days=1), [3, 5, 8], [6, 7]),
        (replace(DATED, gap_days=2), [3, 5, 8], []),
        (replace(DATED, gap_days=2), [3, 5], [6, 7, 8]),
        (replace(DATED, every="weekday"), [4, 5, 8], []),
        (replace(DATED, every="weekday"), [3, 5, 8], [4]),
        (DATED, [], []),
    ],
)  # fmt: skip
def test_a_missing_day_is_one_that_is_overdue_and_no_usual_gap(
    expected: Expected, days: list[int], missing: list[int]
) -> None:
    keys = [f"cm/usage/dt=2026-06-{day:02}/u.csv" for day in days]
    assert [day.day for day in missing_dates(expected, keys, date(2026, 6, 11))] == missing


def test_an_old_gap_is_not_told_for_ever() -> None:
    keys = ["dt=2026-01-01", *(f"dt=2026-06-{day:02}" for day in range(1, 31))]
    assert missing_dates(DATED, keys, date(2026, 7, 2)) == []


@pytest.mark.parametrize(
    ("key", "pattern", "found"),
    [
        ("cm/usage/dt=2026-06-01/x.csv", "dt=%Y-%m-%d", date(2026, 6, 1)),
        ("cm/2026/06/01/x.csv", "%Y/%m/%d", date(2026, 6, 1)),
        ("cm/usage_20260601120000.csv", "%Y%m%d", date(2026, 6, 1)),
        ("cm/usage.01.06.2026.csv", ".%d.%m.%Y", date(2026, 6, 1)),
        ("cm/usage-20261332.csv", "%Y%m%d", None),
        ("cm/usage.csv", "%Y%m%d", None),
    ],
)
def test_the_date_of_a_key_is_found_as_the_contract_writes_it(key: str, pattern: str, found: date | None) -> None:
    assert date_in(key, pattern) == found


async def test_an_empty_object_is_told_and_what_its_key_had_before_stays(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]), day=9)])
    bucket.deliver([sent("cm/usage/b.csv", b"", day=9, packed=False), sent("cm/usage/folder/", b"", packed=False)])
    bucket.deliver([sent("cm/usage/_SUCCESS", b"", packed=False), sent("cm/usage/x.done", b"", packed=False)])

    assert await _alerts(source, cm) == ["s3_cm_usage_data: cm/usage/b.csv is empty (0 bytes) and not loaded."]
    state = TableState(files=frozenset({(bucket.bucket, "cm/usage/b.csv", "an earlier delivery")}))
    [text] = await _alerts(source, cm, state)
    assert text.endswith("It had rows before; they stay until a whole file comes.")


async def test_the_same_content_under_another_key_is_told_in_the_manifest_and_to_people(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    body, nothing = csv_body(cm, ["A1"]), csv_body(cm, [], quoted=True)
    bucket.deliver([sent("cm/usage/1.csv", body, day=8), sent("cm/usage/2.csv", body, day=9)])
    bucket.deliver(sent(f"cm/usage/none-{n}.csv", nothing, day=9) for n in (1, 2))

    [manifest] = await extracted(source, await source.plan(cm, TableState()), lake)

    assert manifest.details["same_content"] == {"cm/usage/2.csv": "cm/usage/1.csv"}
    state = TableState(files=frozenset((f.bucket, f.key, f.token) for f in manifest.files))
    [text] = await _alerts(source, cm, state)
    assert "cm/usage/2.csv has the same content as cm/usage/1.csv" in text

    bucket.deliver([sent("cm/usage/3.csv", body, day=9)])
    [manifest] = await extracted(source, await source.plan(cm, state), lake)
    assert manifest.details["same_content"] == {"cm/usage/3.csv": "cm/usage/1.csv"}
