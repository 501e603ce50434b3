"""What the local lake leaves on its disk, and in which order it gets there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import StorageFull
from connectors.lake.local import LocalLake
from tests.connectors.lake.suite import NOON, little_room, manifest_of, written

__all__ = ["little_room"]


async def test_nothing_but_the_part_and_the_manifest_is_left(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    part = await written(lake, manifest_of().prefix)
    await lake.commit(manifest_of(part))
    await lake.commit(manifest_of(part))
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["manifest.json", part.name]


async def test_where_no_manifest_nor_note_can_be_written_the_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    lake = LocalLake(tmp_path / "lake")
    with pytest.raises(StorageFull, match="manifest.json"):
        await lake.commit(manifest_of())
    with pytest.raises(StorageFull, match="jobs.json"):
        await lake.note("raw/x", "jobs.json", "text")


async def test_a_full_disk_leaves_nothing_of_a_manifest_or_a_note(tmp_path: Path, little_room: None) -> None:
    lake = LocalLake(tmp_path)
    await lake.note("raw/x", "jobs.json", "short")
    with pytest.raises(StorageFull, match=r"jobs\.json"):
        await lake.note("raw/x", "jobs.json", "x" * 1_000_000)
    with pytest.raises(StorageFull, match=r"manifest\.json"):
        await lake.commit(replace(manifest_of(), details={"long": "x" * 1_000_000}))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["jobs.json"]
    assert await lake.read_note("raw/x", "jobs.json") == "short"


def still_open(folder: Path) -> list[str]:
    """Files of this process below the folder that nobody closed."""
    found: list[str] = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(handle.readlink()))
        except FileNotFoundError:
            continue
    return [path for path in found if path.startswith(str(folder))]


async def test_no_file_stays_open(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    async with lake.new_part("raw/x", "rows.csv", kind="rows", format="csv") as dropped:
        assert len(still_open(tmp_path)) == 1
        await dropped.write(b"half")
    part = await written(lake, manifest_of().prefix)
    await lake.commit(manifest_of(part))
    await lake.note("raw/x", "jobs.json", "text")
    assert still_open(tmp_path) == []


class Journal:
    """What reached the disk, in order: (what, name, bytes by then). A name that begins with a dot is hidden."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[tuple[str, str, int]] = []
        fsync = os.fsync

        def forced(handle: int) -> None:
            path = Path(f"/proc/self/fd/{handle}").readlink()
            self.entries.append(("folder" if path.is_dir() else "forced", path.name, os.fstat(handle).st_size))
            fsync(handle)

        monkeypatch.setattr("os.fsync", forced)
        for name in ("link", "rename", "replace"):
            monkeypatch.setattr(f"os.{name}", self._naming(getattr(os, name)))

    def _naming(self, real: Callable[..., None]) -> Callable[..., None]:
        def named(old: Path, new: Path, **options: Any) -> None:
            self.entries.append(("named", Path(new).name, Path(old).stat().st_size))
            real(old, new, **options)

        return named

    @property
    def steps(self) -> list[tuple[str, int]]:
        """What was done, and with how many bytes of a file."""
        return [(what, 0 if what == "folder" else size) for what, _, size in self.entries]


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    return Journal(monkeypatch)


async def test_a_part_has_its_name_only_once_all_its_bytes_are_on_the_disk(tmp_path: Path, journal: Journal) -> None:
    part = await written(LocalLake(tmp_path), "raw/x", b"x" * 1000)
    assert journal.steps == [("forced", 1000), ("named", 1000)]
    assert journal.entries[-1][1] == part.name


async def test_a_manifest_follows_the_names_of_its_parts_to_the_disk_and_is_whole_before_it_has_its_own(
    tmp_path: Path, journal: Journal
) -> None:
    lake = LocalLake(tmp_path)
    manifest = manifest_of(await written(lake, manifest_of().prefix))
    journal.entries.clear()
    await lake.commit(manifest)
    size = (tmp_path / manifest.prefix / "manifest.json").stat().st_size
    assert journal.steps == [("folder", 0), ("forced", size), ("named", size), ("folder", 0)]
    assert {name for what, name, _ in journal.entries if what == "folder"} == {"b1"}


async def test_a_note_is_whole_on_the_disk_before_it_replaces_the_one_before(tmp_path: Path, journal: Journal) -> None:
    await LocalLake(tmp_path).note("raw/x", "jobs.json", "some text")
    assert journal.steps == [("forced", 9), ("named", 9), ("folder", 0)]
    assert journal.entries[-1][1] == "x"


async def test_manifests_of_one_window_come_in_the_order_they_were_read(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    for batch, minutes in (("b3", 0), ("b1", 2), ("b2", 1), ("b4", 2)):
        await lake.commit(replace(manifest_of(batch=batch), extracted_at=NOON + timedelta(minutes=minutes)))
    assert [m.batch_id async for m in lake.manifests("salesforce", "sfdc_account")] == ["b3", "b2", "b1", "b4"]
