"""Loaded files move out of the way, others never; a crash or a refusal on the way loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.contract import Archive, FileRules, Table
from connectors.errors import MgdwError, PermissionMissing
from connectors.s3.bucket import Bucket
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import DAY, csv_body, sent

DENIED = "<Error><Code>AccessDenied</Code></Error>"


@pytest.fixture
def bucket(cm: Table) -> Iterator[S3Server]:
    """Four files of four days, on the tenth day."""
    with S3Server(clock=lambda: DAY + timedelta(days=10)) as server:
        server.deliver(sent(f"cm/usage/dt={n}/a b+%.csv", csv_body(cm, [f"A{n}"]), day=n) for n in range(4))
        yield server


@pytest.fixture
def table(cm: Table) -> Table:
    return replace(cm, files=FileRules(archive=Archive("done/cm/", 7)))


@pytest.fixture
async def state(source: S3Source, table: Table) -> TableState:
    """The ledger has all files."""
    planned = await source.plan(table, TableState())
    return TableState(files=frozenset((f.bucket, f.key, f.token) for batch in planned for f in batch.files))


async def _keys(settings: S3Settings) -> list[str]:
    return [f.key for f in await Bucket(settings).files("")]


KEYS = [f"cm/usage/dt={n}/a b+%.csv" for n in range(4)]
DONE = [f"done/cm/dt={n}/a b+%.csv" for n in range(4)]


async def test_loaded_files_are_moved_when_they_are_old_enough(
    bucket: S3Server, source: S3Source, settings: S3Settings, table: Table, state: TableState
) -> None:
    assert await source.archive(table, state) == KEYS[:3]
    assert await _keys(settings) == [KEYS[3], *DONE[:3]]

    bucket.faults.clear()
    assert await source.archive(table, state) == []
    assert not [seen for seen in bucket.faults.seen if seen.startswith(("PUT", "DELETE", "POST"))]
    assert await source.plan(table, state) == []


async def test_a_table_without_the_rule_keeps_its_files(source: S3Source, cm: Table, state: TableState) -> None:
    assert await source.archive(cm, state) == []


async def test_what_the_ledger_does_not_have_is_never_touched(
    bucket: S3Server, source: S3Source, settings: S3Settings, cm: Table, table: Table, state: TableState
) -> None:
    bucket.deliver([sent(KEYS[1], csv_body(cm, ["B1"]), day=1)])
    rest = TableState(files=frozenset(f for f in state.files if f[1] != KEYS[0]))

    assert await source.archive(table, rest) == [KEYS[2]]
    assert await _keys(settings) == [KEYS[0], KEYS[1], KEYS[3], DONE[2]]


async def test_the_newest_file_stays_for_the_next_look_at_its_columns(
    bucket: S3Server, source: S3Source, settings: S3Settings, table: Table, state: TableState
) -> None:
    for key in KEYS[1:]:
        bucket.withdraw(key)

    assert await source.archive(table, state) == []
    assert await _keys(settings) == KEYS[:1]


async def test_a_delivery_between_copy_and_deletion_is_not_deleted(
    bucket: S3Server, source: S3Source, settings: S3Settings, cm: Table, table: Table, state: TableState
) -> None:
    newer = sent(KEYS[0], csv_body(cm, ["A0", "A9"]), day=9)
    bucket.faults.arm("HEAD .*/done/cm/dt=0", act=lambda: bucket.deliver([newer]))

    assert await source.archive(table, state) == KEYS[1:3]
    assert KEYS[0] in await _keys(settings)
    assert [f.key for batch in await source.plan(table, state) for f in batch.files] == [KEYS[0]]


@pytest.mark.parametrize("fault", ["PUT /.*done", "HEAD .*done", "HEAD .*cm/usage", "DELETE .*cm/usage"])
@pytest.mark.parametrize("drop", ["before", "after"])
async def test_an_archiving_that_breaks_off_is_finished_by_the_next_one(
    bucket: S3Server, settings: S3Settings, table: Table, state: TableState, fault: str, drop: str
) -> None:
    source = S3Source(settings.model_copy(update={"retries": 0, "concurrency": 1}))
    bucket.faults.arm(fault, drop=drop)  # type: ignore[arg-type]
    try:
        moved = await source.archive(table, state)
    except MgdwError:
        moved = []
    held = {key.rpartition("dt=")[2] for key in await _keys(settings)}
    assert held == {key.rpartition("dt=")[2] for key in KEYS}

    moved += await source.archive(table, state)
    assert await _keys(settings) == [KEYS[3], *DONE[:3]]


@pytest.mark.parametrize(
    ("fault", "grant"), [("PUT .*done", "s3:PutObject on .*/done/cm/dt="), ("DELETE .*cm", "s3:DeleteObject on")]
)
async def test_keys_that_may_only_read_are_told_what_they_lack(
    bucket: S3Server, source: S3Source, settings: S3Settings, table: Table, state: TableState, fault: str, grant: str
) -> None:
    bucket.faults.arm(fault, times=None, status=403, body=DENIED)

    with pytest.raises(PermissionMissing, match=grant) as caught:
        await source.archive(table, state)

    assert "The load is not concerned" in caught.value.remedy
    assert set(KEYS) <= set(await _keys(settings))
