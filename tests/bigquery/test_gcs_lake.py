"""The lake in Cloud Storage: what every lake does, and what is particular to a bucket."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import pytest
from google.cloud.storage import Bucket

from connectors.batch import Part
from connectors.errors import ConfigurationError, StorageFull, UnreadableFile
from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from tests.connectors.lake.suite import LakeSuite, Store, little_room, manifest_of, written

__all__ = ["little_room"]

CHUNK = 256 * 1024


@pytest.fixture(scope="module")
def google(emulated: None) -> GoogleAccess:
    return GoogleAccess("mgdw-test-lake", "US")


@pytest.fixture
def bucket(google: GoogleAccess) -> Bucket:
    return google.storage().create_bucket(f"mgdw-test-{secrets.token_hex(6)}")


@pytest.fixture(params=["", "lakes/one"])
def store(google: GoogleAccess, bucket: Bucket, request: pytest.FixtureRequest) -> Store:
    return store_of(bucket, google, request.param)


def store_of(bucket: Bucket, google: GoogleAccess, prefix: str = "", chunk: int = CHUNK) -> Store:
    """The lake below `prefix`, which sends chunks small enough for sessions to be used in tests."""
    root = f"{prefix}/" if prefix else ""
    return Store(
        open=lambda: GcsLake(str(bucket.name), prefix, google=google, chunk=chunk, patience=10),
        names=lambda: [str(blob.name).removeprefix(root) for blob in bucket.list_blobs(prefix=root)],
        read=lambda name: bucket.blob(root + name).download_as_bytes(raw_download=True),
        write=lambda name, body: bucket.blob(root + name).upload_from_string(body),
        remove=lambda name: bucket.blob(root + name).delete(),
    )


class TestGcsLake(LakeSuite):
    """A bucket is a lake."""


async def in_pieces(lake: GcsLake, prefix: str, pieces: list[bytes]) -> Part:
    async with lake.new_part(prefix, "rows-00000.csv.gz", kind="rows", format="csv") as writer:
        for piece in pieces:
            await writer.write(piece)
        writer.finish(header=("Id",), rows=1)
    return writer.part


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([CHUNK], id="exactly one chunk"),
        pytest.param([CHUNK, 1], id="a byte more than a chunk"),
        pytest.param([CHUNK] * 4, id="whole chunks"),
        pytest.param([10_000] * 100, id="small pieces"),
        pytest.param([5 * CHUNK + 17], id="one large piece"),
    ],
)
async def test_what_is_larger_than_a_chunk_arrives_byte_by_byte(
    google: GoogleAccess, bucket: Bucket, sizes: list[int]
) -> None:
    pieces = [bytes([i % 251]) * size for i, size in enumerate(sizes)]
    lake = GcsLake(str(bucket.name), google=google, chunk=CHUNK)
    part = await in_pieces(lake, manifest_of().prefix, pieces)
    manifest = manifest_of(part)
    with lake.local(manifest, [part]) as files:
        assert Path(files[part.name]).read_bytes() == b"".join(pieces)
    assert part.bytes == sum(sizes)
    assert not Path(files[part.name]).parent.exists()


async def test_uri_names_bucket_and_object(google: GoogleAccess, bucket: Bucket) -> None:
    lake = GcsLake(str(bucket.name), "lakes/one", google=google)
    part = await written(lake, manifest_of().prefix)
    assert lake.uri(manifest_of(part), part) == (
        f"gs://{bucket.name}/lakes/one/raw/salesforce/sfdc_account/2026-06-15/b1/{part.name}"
    )


async def test_a_packed_part_is_stored_as_gzip_without_an_encoding(google: GoogleAccess, bucket: Bucket) -> None:
    lake = GcsLake(str(bucket.name), google=google, chunk=CHUNK)
    await in_pieces(lake, "raw/x", [b"small"])
    [stored] = bucket.list_blobs()
    assert (stored.content_type, stored.content_encoding) == ("application/gzip", None)


async def test_a_bucket_that_is_not_there_is_named_with_the_setting(google: GoogleAccess) -> None:
    lake = GcsLake("mgdw-no-such-bucket", google=google, chunk=CHUNK)
    for size in (5, 3 * CHUNK):
        with pytest.raises(ConfigurationError, match="mgdw-no-such-bucket") as caught:
            await written(lake, "raw/x", b"x" * size)
        assert "MGDW_LAKE" in caught.value.remedy
    with pytest.raises(ConfigurationError, match="mgdw-no-such-bucket"):
        await lake.commit(manifest_of())


async def test_a_part_that_was_removed_is_named(google: GoogleAccess, bucket: Bucket) -> None:
    store = store_of(bucket, google)
    lake = store.open()
    part = await written(lake, manifest_of().prefix)
    manifest = await lake.commit(manifest_of(part))
    store.remove(f"{manifest.prefix}/{part.name}")
    with pytest.raises(UnreadableFile, match=part.name), lake.local(manifest, [part]):
        pass


async def test_a_part_that_was_replaced_by_hand_is_not_read(google: GoogleAccess, bucket: Bucket) -> None:
    store = store_of(bucket, google)
    lake = store.open()
    part = await written(lake, manifest_of().prefix)
    manifest = await lake.commit(manifest_of(part))
    store.write(f"{manifest.prefix}/{part.name}", b"Id\n1\n2\n")
    with pytest.raises(UnreadableFile, match="was changed"), lake.local(manifest, [part]):
        pass


async def test_no_room_for_the_local_files_is_one_clear_error(
    google: GoogleAccess, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, little_room: None
) -> None:
    lake = GcsLake(str(bucket.name), google=google, chunk=CHUNK)
    part = await written(lake, manifest_of().prefix, b"x" * 200_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(StorageFull, match=str(tmp_path)), lake.local(manifest_of(part), [part]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_chunk_that_cloud_storage_would_refuse_is_refused_at_once(google: GoogleAccess) -> None:
    with pytest.raises(ValueError, match="262144"):
        GcsLake("b", google=google, chunk=1000)
