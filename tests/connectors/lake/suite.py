"""What every lake does: one set of tests, run on a folder and on a bucket.

A module that runs it has a fixture `store` and a class of its own: `class TestLocalLake(LakeSuite)`.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.batch import FileRef, Manifest, Part
from connectors.errors import InternalError, UnreadableFile
from connectors.lake import Lake
from connectors.window import Window

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Store:
    """A place for a lake, looked at from outside.

    Attributes:
        open: the lake; each call gives one that remembers nothing.
        names: names of all objects below the lake's root.
        read, write, remove: of one object by its name.
    """

    open: Callable[[], Lake]
    names: Callable[[], list[str]]
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], object]
    remove: Callable[[str], object]


def manifest_of(*parts: Part, batch: str = "b1", hi: datetime = NOON) -> Manifest:
    prefix = f"raw/salesforce/sfdc_account/{hi:%Y-%m-%d}/{batch}"
    return Manifest(batch, "salesforce", "sfdc_account", Window(None, hi), prefix, parts, 1, NOON)


async def written(lake: Lake, prefix: str, body: bytes = b"Id\n1\n", name: str = "rows-00000.csv") -> Part:
    async with lake.new_part(prefix, name, kind="rows", format="csv") as writer:
        await writer.write(body)
        writer.finish(header=("Id",), rows=1)
    return writer.part


@pytest.fixture
def little_room() -> Iterator[None]:
    """Files of this process may not grow over 64 KiB; the kernel then refuses a write as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


class LakeSuite:
    """The tests."""

    async def test_a_finished_part_holds_exactly_the_bytes_written(self, store: Store) -> None:
        chunks = (b"abc", b"", b"def" * 1000)
        async with store.open().new_part(
            "raw/x", "rows-00000.csv.gz", kind="rows", format="csv", source_file="cm/a.gz"
        ) as writer:
            for chunk in chunks:
                await writer.write(chunk)
            writer.finish(header=("Id", "Name"), rows=7)
        part = writer.part
        assert store.read(f"raw/x/{part.name}") == b"".join(chunks)
        assert (part.bytes, part.rows, part.header, part.source_file) == (3003, 7, ("Id", "Name"), "cm/a.gz")
        assert part.name.startswith("rows-00000-")
        assert part.name.endswith(".csv.gz")

    async def test_a_part_may_be_empty(self, store: Store) -> None:
        lake = store.open()
        part = await written(lake, manifest_of().prefix, b"")
        with lake.local(manifest_of(part), [part]) as files:
            assert Path(files[part.name]).read_bytes() == b""

    async def test_two_attempts_never_write_the_same_object(self, store: Store) -> None:
        lake = store.open()
        first, second = await written(lake, "raw/x"), await written(lake, "raw/x")
        assert first.name != second.name
        assert store.names() == sorted([f"raw/x/{first.name}", f"raw/x/{second.name}"])

    @pytest.mark.parametrize("size", [4, 3_000_000])
    async def test_a_part_whose_block_fails_leaves_nothing(self, store: Store, size: int) -> None:
        with pytest.raises(ConnectionError):
            async with store.open().new_part("raw/x", "rows.csv", kind="rows", format="csv") as writer:
                await writer.write(b"h" * size)
                writer.finish(header=("Id",), rows=1)
                raise ConnectionError
        assert store.names() == []

    @pytest.mark.parametrize("size", [4, 3_000_000])
    async def test_a_part_that_was_not_finished_leaves_nothing(self, store: Store, size: int) -> None:
        async with store.open().new_part("raw/x", "rows.csv", kind="rows", format="csv") as writer:
            await writer.write(b"h" * size)
        assert store.names() == []
        with pytest.raises(InternalError):
            _ = writer.part

    @pytest.mark.parametrize("size", [4, 3_000_000])
    async def test_a_cancelled_write_leaves_nothing(self, store: Store, size: int) -> None:
        lake, started = store.open(), asyncio.Event()

        async def endless() -> None:
            async with lake.new_part("raw/x", "rows.csv", kind="rows", format="csv") as writer:
                await writer.write(b"h" * size)
                started.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(endless())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert store.names() == []

    async def test_a_batch_does_not_exist_before_its_manifest(self, store: Store) -> None:
        lake = store.open()
        manifest = manifest_of(await written(lake, manifest_of().prefix))
        assert await lake.manifest(manifest.prefix) is None
        assert [m async for m in lake.manifests("salesforce", "sfdc_account")] == []
        await lake.commit(manifest)
        assert await lake.manifest(manifest.prefix) == manifest

    async def test_a_manifest_keeps_every_fact(self, store: Store) -> None:
        lake, prefix = store.open(), manifest_of().prefix
        part = await written(lake, prefix)
        file = FileRef("bucket", "cm/a.csv.gz", "etag", 12, NOON, "v1")
        manifest = Manifest(
            "b1", "s3", "s3_cm_usage_data", Window(NOON, NOON), prefix, (part,), 4, NOON, (file,), "\\N", {}
        )
        await lake.commit(manifest)
        assert await store.open().manifest(manifest.prefix) == manifest

    async def test_the_first_commit_of_a_batch_wins(self, store: Store) -> None:
        lake = store.open()
        first = manifest_of(await written(lake, manifest_of().prefix))
        second = manifest_of(await written(lake, manifest_of().prefix))
        outcomes = await asyncio.gather(lake.commit(first), lake.commit(second), lake.commit(second))
        assert outcomes[0] == outcomes[1] == outcomes[2]
        assert outcomes[0] in (first, second)
        assert await lake.commit(second) == outcomes[0]

    async def test_a_manifest_may_not_name_a_part_that_is_not_there(self, store: Store) -> None:
        with pytest.raises(InternalError, match=r"gone\.csv"):
            await store.open().commit(manifest_of(Part("gone.csv", "rows", "csv", ("Id",), 1, 1)))
        assert store.names() == []

    async def test_manifests_come_oldest_window_first(self, store: Store) -> None:
        lake = store.open()
        hours = {"b3": 72, "b0": 0, "b2": 49, "b1": 48}
        for batch, later in hours.items():
            await lake.commit(manifest_of(batch=batch, hi=NOON + timedelta(hours=later)))
        await written(lake, manifest_of(batch="b9").prefix)
        await lake.note("raw/salesforce/sfdc_account", "jobs.json", "{}")
        found = [m.batch_id async for m in lake.manifests("salesforce", "sfdc_account")]
        assert found == ["b0", "b1", "b2", "b3"]

    async def test_a_table_is_not_mistaken_for_one_whose_name_begins_alike(self, store: Store) -> None:
        lake = store.open()
        await lake.commit(manifest_of())
        assert [m async for m in lake.manifests("salesforce", "sfdc_acc")] == []
        assert [m async for m in lake.manifests("sales", "sfdc_account")] == []

    async def test_a_spoiled_manifest_is_an_unreadable_file(self, store: Store) -> None:
        lake = store.open()
        manifest = await lake.commit(manifest_of())
        store.remove(f"{manifest.prefix}/manifest.json")
        store.write(f"{manifest.prefix}/manifest.json", b"{}")
        with pytest.raises(UnreadableFile, match=r"manifest\.json"):
            await lake.manifest(manifest.prefix)

    async def test_parts_are_local_files_inside_the_block(self, store: Store) -> None:
        lake = store.open()
        parts = [await written(lake, manifest_of().prefix, body) for body in (b"Id\n1\n", b"Id\n2\n", b"Id\n3\n")]
        with lake.local(manifest_of(*parts), parts[:2]) as files:
            assert {name: Path(path).read_bytes() for name, path in files.items()} == {
                parts[0].name: b"Id\n1\n",
                parts[1].name: b"Id\n2\n",
            }

    async def test_a_note_is_read_back_and_the_last_one_counts(self, store: Store) -> None:
        lake = store.open()
        assert await lake.read_note("raw/salesforce/sfdc_account", "jobs.json") is None
        for text in ("first", "zweite ✓"):
            await lake.note("raw/salesforce/sfdc_account", "jobs.json", text)
        assert await lake.read_note("raw/salesforce/sfdc_account", "jobs.json") == "zweite ✓"
        assert store.names() == ["raw/salesforce/sfdc_account/jobs.json"]
        assert [manifest async for manifest in lake.manifests("salesforce", "sfdc_account")] == []


__all__ = ["NOON", "LakeSuite", "Store", "little_room", "manifest_of", "written"]
