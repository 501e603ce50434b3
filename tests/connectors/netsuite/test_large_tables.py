"""A large table is read in ranges side by side, and holds the same rows as read in one go."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.batch import BatchRequest
from connectors.errors import SourceUnavailable
from connectors.lake.local import LocalLake
from connectors.netsuite.source import SUITEQL_PATH
from connectors.window import Window
from tests.connectors.netsuite.conftest import CUSTOMER, Office, extracted, records

QUERY = f"POST {SUITEQL_PATH}"
REFUSED = {"status": 400, "o:errorDetails": [{"detail": "Invalid or unsupported search", "o:errorCode": "USER_ERROR"}]}


def everything(office: Office) -> BatchRequest:
    return BatchRequest(CUSTOMER, Window(None, office.world.now))


async def read(office: Office, lake: LocalLake, **settings: Any) -> tuple[list[int], Any]:
    async with office.source(**{"page_rows": 20, **settings}) as source:
        manifest = (await extracted(source, lake, [everything(office)]))["netsuite_customers"]
    ids = [int(r["id"]) for r in records(lake, manifest)]
    assert manifest.source_rows == len(ids)
    return ids, manifest


def alive(office: Office) -> list[int]:
    return [i for (i,) in office.rows("SELECT id FROM netsuite.customer WHERE _deleted_at IS NULL ORDER BY id")]


async def test_every_row_comes_once_in_the_order_of_the_ranges(large: Office, lake: LocalLake) -> None:
    ids, manifest = await read(large, lake, concurrency=3)
    assert ids == alive(large)
    assert manifest.details["ranges"] > 8
    assert 1 < large.account.peak_calls <= 3
    assert len(large.faults.seen) < len(ids) / 20 + manifest.details["ranges"] + 5


async def test_one_request_at_a_time_reads_one_range(large: Office, lake: LocalLake) -> None:
    ids, manifest = await read(large, lake, concurrency=1)
    assert (ids, manifest.details["ranges"], large.account.peak_calls) == (alive(large), 1, 1)


async def test_ids_far_apart_are_cut_where_the_rows_are(large: Office, lake: LocalLake) -> None:
    large.rows("UPDATE netsuite.customer SET id = id * id * 1000003 WHERE id > 100")
    ids, manifest = await read(large, lake)
    assert ids == alive(large)
    assert manifest.details["ranges"] > 8


async def test_where_the_histogram_is_refused_the_table_is_read_in_one_go(large: Office, lake: LocalLake) -> None:
    large.faults.arm(QUERY, after=3, status=400, body=REFUSED)
    ids, manifest = await read(large, lake)
    assert (ids, manifest.details["ranges"]) == (alive(large), 1)


async def test_rows_that_come_and_go_between_the_ranges_do_no_harm(large: Office, lake: LocalLake) -> None:
    before = set(alive(large))

    def move() -> None:
        large.world.sql("UPDATE netsuite.customer SET _deleted_at = now() WHERE id % 97 = 0")
        large.world.sql("INSERT INTO netsuite.customer (id, entityid) SELECT id + 2000, 'new' FROM netsuite.customer")

    large.faults.arm(QUERY, after=20, act=move)
    ids, _ = await read(large, lake)
    assert len(set(ids)) == len(ids)
    assert {i for i in before if i % 97} <= set(ids)


async def test_a_range_that_cannot_be_read_fails_the_batch_with_its_own_error(large: Office, lake: LocalLake) -> None:
    large.faults.arm(QUERY, after=30, times=None, status=503)
    with pytest.raises(ExceptionGroup) as caught:
        await read(large, lake)
    (error,) = caught.value.exceptions
    assert isinstance(error, SourceUnavailable)
    assert error.facts["table"] == "netsuite_customers"
    assert await lake.manifest(everything(large).prefix) is None


@pytest.mark.parametrize("status", [400, 403, 429])
async def test_an_account_with_less_room_than_the_setting_is_read_all_the_same(
    large: Office, lake: LocalLake, status: int
) -> None:
    body = {"o:errorDetails": [{"detail": "Too many", "o:errorCode": "SSS_REQUEST_LIMIT_EXCEEDED"}]}
    large.faults.arm(QUERY, after=5, times=3, status=status, body=body)
    large.account.options.concurrency_limit = 2
    ids, _ = await read(large, lake, concurrency=4)
    assert ids == alive(large)
