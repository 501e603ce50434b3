"""The local lake: parts appear whole or not at all, a batch exists once, a full disk is one clear error."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.batch import FileRef, Manifest, Part
from connectors.errors import InternalError, StorageFull, UnreadableFile
from connectors.lake.local import LocalLake
from connectors.window import Window

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def manifest_of(*parts: Part, batch: str = "b1", hi: datetime = NOON) -> Manifest:
    prefix = f"raw/salesforce/sfdc_account/{hi:%Y-%m-%d}/{batch}"
    return Manifest(batch, "salesforce", "sfdc_account", Window(None, hi), prefix, parts, 1, NOON)


async def written(lake: LocalLake, prefix: str, body: bytes = b"Id\n1\n", name: str = "rows-00000.csv") -> Part:
    async with lake.new_part(prefix, name, kind="rows", format="csv") as writer:
        await writer.write(body)
        writer.finish(header=("Id",), rows=1)
    return writer.part


def visible(root: Path) -> list[str]:
    return sorted(p.name for p in root.rglob("*") if p.is_file())


async def test_a_finished_part_holds_exactly_the_bytes_written(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    async with lake.new_part("raw/x", "rows-00000.csv.gz", kind="rows", format="csv", source_file="cm/a.gz") as writer:
        for chunk in (b"abc", b"", b"def" * 1000):
            await writer.write(chunk)
        writer.finish(header=("Id", "Name"), rows=7)
    part = writer.part
    assert (tmp_path / "raw/x" / part.name).read_bytes() == b"abc" + b"def" * 1000
    assert (part.bytes, part.rows, part.header, part.source_file) == (3003, 7, ("Id", "Name"), "cm/a.gz")
    assert part.name.startswith("rows-00000-") and part.name.endswith(".csv.gz")


async def test_two_attempts_never_write_the_same_object(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    first, second = await written(lake, "raw/x"), await written(lake, "raw/x")
    assert first.name != second.name
    assert visible(tmp_path) == sorted([first.name, second.name])


async def test_a_part_whose_block_fails_leaves_nothing(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    with pytest.raises(ConnectionError):
        async with lake.new_part("raw/x", "rows.csv", kind="rows", format="csv") as writer:
            await writer.write(b"half")
            writer.finish(header=("Id",), rows=1)
            raise ConnectionError
    assert visible(tmp_path) == []


async def test_a_part_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    async with lake.new_part("raw/x", "rows.csv", kind="rows", format="csv") as writer:
        await writer.write(b"half")
    assert visible(tmp_path) == []
    with pytest.raises(InternalError):
        _ = writer.part


async def test_a_cancelled_write_leaves_nothing(tmp_path: Path) -> None:
    lake, started = LocalLake(tmp_path), asyncio.Event()

    async def endless() -> None:
        async with lake.new_part("raw/x", "rows.csv", kind="rows", format="csv") as writer:
            await writer.write(b"half")
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(endless())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert visible(tmp_path) == []


async def test_a_batch_does_not_exist_before_its_manifest(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    manifest = manifest_of(await written(lake, manifest_of().prefix))
    assert await lake.manifest(manifest.prefix) is None
    assert [m async for m in lake.manifests("salesforce", "sfdc_account")] == []
    await lake.commit(manifest)
    assert await lake.manifest(manifest.prefix) == manifest


async def test_a_manifest_keeps_every_fact(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    part = await written(lake, manifest_of().prefix)
    file = FileRef("bucket", "cm/a.csv.gz", "etag", 12, NOON, "v1")
    manifest = Manifest(
        "b1", "s3", "s3_cm_usage_data", Window(NOON, NOON), manifest_of().prefix, (part,), 4, NOON, (file,), "\\N", {}
    )
    await lake.commit(manifest)
    assert await LocalLake(tmp_path).manifest(manifest.prefix) == manifest


async def test_the_first_commit_of_a_batch_wins(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    first = manifest_of(await written(lake, manifest_of().prefix))
    second = manifest_of(await written(lake, manifest_of().prefix))
    outcomes = await asyncio.gather(lake.commit(first), lake.commit(second), lake.commit(second))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0] in (first, second)
    assert await lake.commit(second) == outcomes[0]


async def test_a_manifest_may_not_name_a_part_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="gone.csv"):
        await LocalLake(tmp_path).commit(manifest_of(Part("gone.csv", "rows", "csv", ("Id",), 1, 1)))


async def test_manifests_come_oldest_window_first(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    for days in (2, 0, 1):
        await lake.commit(manifest_of(batch=f"b{days}", hi=NOON + timedelta(days=days)))
    assert [m.batch_id async for m in lake.manifests("salesforce", "sfdc_account")] == ["b0", "b1", "b2"]


async def test_a_spoiled_manifest_is_an_unreadable_file(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    manifest = await lake.commit(manifest_of())
    (tmp_path / manifest.prefix / "manifest.json").write_text("{}")
    with pytest.raises(UnreadableFile, match="manifest.json"):
        await lake.manifest(manifest.prefix)


async def test_uri_is_where_the_part_can_be_read(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    manifest = manifest_of(await written(lake, manifest_of().prefix, b"Id\n1\n"))
    assert Path(lake.uri(manifest, manifest.parts[0])).read_bytes() == b"Id\n1\n"


async def test_parts_are_local_files_inside_the_block(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    parts = [await written(lake, manifest_of().prefix, body) for body in (b"Id\n1\n", b"Id\n2\n", b"Id\n3\n")]
    manifest = manifest_of(*parts)
    with lake.local(manifest, parts[:2]) as files:
        assert {name: Path(path).read_bytes() for name, path in files.items()} == {
            parts[0].name: b"Id\n1\n",
            parts[1].name: b"Id\n2\n",
        }


@pytest.fixture
def little_room() -> Iterator[None]:
    """Files of this process may not grow over 64 KiB; the kernel then refuses a write as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


async def test_a_full_disk_names_the_path_and_leaves_nothing(tmp_path: Path, little_room: None) -> None:
    lake = LocalLake(tmp_path)
    with pytest.raises(StorageFull, match=r"raw/x/rows-\w+\.csv"):
        await written(lake, "raw/x", b"x" * 1_000_000, "rows.csv")
    assert visible(tmp_path) == []


async def test_a_path_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(StorageFull, match=str(tmp_path / "lake")):
        await written(LocalLake(tmp_path / "lake"), "raw/x")


async def test_a_note_is_read_back_and_the_last_one_counts(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    assert await lake.read_note("raw/salesforce/sfdc_account", "jobs.json") is None
    for text in ("first", "zweite ✓"):
        await lake.note("raw/salesforce/sfdc_account", "jobs.json", text)
    assert await lake.read_note("raw/salesforce/sfdc_account", "jobs.json") == "zweite ✓"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["jobs.json"]
    assert [manifest async for manifest in lake.manifests("salesforce", "sfdc_account")] == []
