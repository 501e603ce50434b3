"""The lake in Cloud Storage when the network or the service fails: uploads survive, or nothing is there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.storage import Bucket

from connectors.errors import MgdwError, PermissionMissing, RateLimited, RetryableError, SourceUnavailable
from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from tests.bigquery.emulators.gcs_wire import Cut, Fault, GcsWire, Hold, LoseAnswer, Refuse, Spoil, Step
from tests.bigquery.test_gcs_lake import CHUNK, bucket, google
from tests.connectors.lake.suite import manifest_of, written

__all__ = ["bucket", "google"]
SMALL, LARGE = b"Id\n1\n", bytes(range(256)) * (5 * CHUNK // 256) + b"end"
PREFIX = manifest_of().prefix


@pytest.fixture
def wire(gcs_url: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsWire]:
    with GcsWire(gcs_url) as wire:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", wire.url)
        yield wire


@pytest.fixture
def lake(wire: GcsWire, google: GoogleAccess, bucket: Bucket) -> GcsLake:
    return GcsLake(str(bucket.name), google=google, chunk=CHUNK, patience=10)


def impatient(lake: GcsLake, google: GoogleAccess) -> GcsLake:
    return GcsLake(lake.bucket, google=google, chunk=CHUNK, patience=0.5)


def contents(bucket: Bucket) -> list[bytes]:
    return [blob.download_as_bytes(raw_download=True) for blob in bucket.list_blobs()]


PASSING: list[tuple[bytes, Step, Fault]] = [
    (SMALL, "whole", Refuse(503)),
    (SMALL, "whole", Refuse(429)),
    (SMALL, "whole", LoseAnswer()),
    (SMALL, "whole", Cut()),
    (LARGE, "begin", Refuse(500)),
    (LARGE, "begin", LoseAnswer()),
    (LARGE, "chunk", Refuse(503)),
    (LARGE, "chunk", Refuse(429)),
    (LARGE, "chunk", LoseAnswer()),
    (LARGE, "chunk", Cut()),
    (LARGE, "last", Refuse(502)),
    (LARGE, "last", LoseAnswer()),
    (LARGE, "last", Cut()),
]


@pytest.mark.parametrize(("body", "step", "fault"), PASSING)
async def test_an_upload_survives_what_passes(
    wire: GcsWire, lake: GcsLake, bucket: Bucket, body: bytes, step: Step, fault: Fault
) -> None:
    wire.once(step, fault)
    part = await written(lake, PREFIX, body)
    assert wire.waiting == []
    assert contents(bucket) == [body]
    assert part.bytes == len(body)


async def test_an_upload_in_small_writes_survives_a_cut_in_every_request(
    wire: GcsWire, lake: GcsLake, bucket: Bucket
) -> None:
    wire.once("chunk", *[Cut(), LoseAnswer(), Refuse(503)] * 3)
    wire.once("status", Refuse(503), LoseAnswer())
    wire.once("last", Cut(), LoseAnswer())
    async with lake.new_part(PREFIX, "rows.csv", kind="rows", format="csv") as writer:
        for start in range(0, len(LARGE), 10_007):
            await writer.write(LARGE[start : start + 10_007])
        writer.finish(header=("Id",), rows=1)
    assert contents(bucket) == [LARGE]


@pytest.mark.parametrize(
    ("body", "step", "fault"),
    [
        (SMALL, "whole", Refuse(503)),
        (SMALL, "whole", LoseAnswer()),
        (LARGE, "begin", Refuse(503)),
        (LARGE, "begin", LoseAnswer()),
        (LARGE, "chunk", Refuse(503)),
        (LARGE, "last", Refuse(503)),
    ],
)
async def test_an_upload_that_never_succeeds_says_so_and_leaves_nothing(
    wire: GcsWire, lake: GcsLake, google: GoogleAccess, bucket: Bucket, body: bytes, step: Step, fault: Fault
) -> None:
    wire.always(step, fault)
    with pytest.raises(SourceUnavailable, match=f"gs://{bucket.name}/raw/"):
        await written(impatient(lake, google), PREFIX, body)
    assert contents(bucket) == []


async def test_a_last_answer_that_never_comes_leaves_nothing(
    wire: GcsWire, lake: GcsLake, google: GoogleAccess, bucket: Bucket
) -> None:
    wire.always("last", LoseAnswer())
    wire.always("status", Refuse(503))
    with pytest.raises(SourceUnavailable):
        await written(impatient(lake, google), PREFIX, LARGE)
    assert contents(bucket) == []


@pytest.mark.parametrize(("body", "step"), [(SMALL, "whole"), (LARGE, "begin"), (LARGE, "chunk")])
async def test_a_quota_that_stays_used_up_is_a_rate_limit(
    wire: GcsWire, lake: GcsLake, google: GoogleAccess, bucket: Bucket, body: bytes, step: Step
) -> None:
    wire.always(step, Refuse(429))
    with pytest.raises(RateLimited):
        await written(impatient(lake, google), PREFIX, body)
    assert contents(bucket) == []


@pytest.mark.parametrize(("body", "step"), [(SMALL, "whole"), (LARGE, "begin"), (LARGE, "chunk"), (LARGE, "last")])
async def test_a_missing_permission_names_bucket_and_role(
    wire: GcsWire, lake: GcsLake, bucket: Bucket, body: bytes, step: Step
) -> None:
    wire.always(step, Refuse(403))
    with pytest.raises(PermissionMissing) as caught:
        await written(lake, PREFIX, body)
    assert caught.value.cause.endswith("403 as told")
    assert "roles/storage.objectUser" in caught.value.remedy
    assert str(bucket.name) in caught.value.remedy
    assert contents(bucket) == []


async def test_a_session_that_the_server_gave_up_fails_at_once(wire: GcsWire, lake: GcsLake, bucket: Bucket) -> None:
    wire.once("chunk", Refuse(410))
    with pytest.raises(RetryableError, match="gave up the upload"):
        await written(lake, PREFIX, LARGE)
    assert contents(bucket) == []


@pytest.mark.parametrize(("body", "step"), [(LARGE, "chunk"), (LARGE, "last")])
async def test_bytes_that_changed_on_the_way_are_noticed(
    wire: GcsWire, lake: GcsLake, bucket: Bucket, body: bytes, step: Step
) -> None:
    wire.once(step, Spoil())
    with pytest.raises(RetryableError, match="is not what was sent"):
        await written(lake, PREFIX, body)
    assert contents(bucket) == []


async def test_the_address_of_a_session_is_in_no_error(wire: GcsWire, lake: GcsLake, google: GoogleAccess) -> None:
    wire.always("chunk", Refuse(403))
    with pytest.raises(MgdwError) as caught:
        await written(lake, PREFIX, LARGE)
    assert "upload_id" not in f"{caught.value} {caught.value.facts} {caught.value.__cause__}"


@pytest.mark.parametrize(("body", "step"), [(SMALL, "whole"), (LARGE, "last"), (LARGE, "chunk")])
async def test_an_upload_cancelled_while_it_waits_for_an_answer_leaves_nothing(
    wire: GcsWire, lake: GcsLake, bucket: Bucket, body: bytes, step: Step
) -> None:
    hold = Hold()
    wire.once(step, hold)
    task = asyncio.create_task(written(lake, PREFIX, body))
    assert await asyncio.to_thread(hold.done.wait, 30)
    task.cancel()
    asyncio.get_running_loop().call_later(0.1, hold.go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert contents(bucket) == []


@pytest.mark.parametrize("fault", [Refuse(503), LoseAnswer(), Cut()])
async def test_a_manifest_whose_answer_is_lost_is_committed_once(
    wire: GcsWire, lake: GcsLake, bucket: Bucket, fault: Fault
) -> None:
    manifest = manifest_of(await written(lake, PREFIX))
    wire.once("whole", fault)
    assert await lake.commit(manifest) == manifest
    assert wire.waiting == []
    assert await lake.manifest(PREFIX) == manifest
    assert [m async for m in lake.manifests("salesforce", "sfdc_account")] == [manifest]


@pytest.mark.parametrize("fault", [Refuse(503), LoseAnswer(), Cut()])
async def test_a_manifest_that_is_not_there_is_known_not_to_be(wire: GcsWire, lake: GcsLake, fault: Fault) -> None:
    wire.once("download", fault)
    assert await lake.manifest(PREFIX) is None
    assert wire.waiting == []


async def test_a_manifest_that_cannot_be_written_is_no_batch(
    wire: GcsWire, lake: GcsLake, google: GoogleAccess
) -> None:
    manifest = manifest_of(await written(lake, PREFIX))
    wire.always("whole", Refuse(503))
    with pytest.raises(SourceUnavailable, match=r"manifest\.json"):
        await impatient(lake, google).commit(manifest)
    assert await lake.manifest(PREFIX) is None


@pytest.mark.parametrize("fault", [Refuse(503), LoseAnswer(), Cut()])
@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_a_download_survives_what_passes(wire: GcsWire, lake: GcsLake, body: bytes, fault: Fault) -> None:
    part = await written(lake, PREFIX, body)
    wire.once("download", fault, fault)
    with lake.local(manifest_of(part), [part]) as files:
        assert Path(files[part.name]).read_bytes() == body
    assert wire.waiting == []


@pytest.mark.parametrize("fault", [Refuse(503), LoseAnswer(), Cut(), Spoil()])
async def test_a_download_that_fails_leaves_no_file(
    wire: GcsWire, lake: GcsLake, google: GoogleAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    part = await written(lake, PREFIX, LARGE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wire.always("download", fault)
    with (
        pytest.raises(SourceUnavailable, match=part.name),
        impatient(lake, google).local(manifest_of(part), [part]),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["list", "download"])
async def test_reading_without_permission_names_bucket_and_role(
    wire: GcsWire, lake: GcsLake, bucket: Bucket, step: Step
) -> None:
    part = await written(lake, PREFIX)
    wire.always(step, Refuse(403))
    with pytest.raises(PermissionMissing) as caught, lake.local(manifest_of(part), [part]):
        pass
    assert str(bucket.name) in caught.value.remedy


async def test_a_login_that_is_refused_names_the_command(wire: GcsWire, lake: GcsLake) -> None:
    wire.always("download", Refuse(401))
    with pytest.raises(MgdwError) as caught:
        await lake.manifest(PREFIX)
    assert "gcloud auth application-default login" in caught.value.remedy


async def test_nobody_at_the_other_end_is_a_source_that_is_unavailable(
    wire: GcsWire, lake: GcsLake, google: GoogleAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with pytest.raises(SourceUnavailable):
        await impatient(lake, google).manifest(PREFIX)
