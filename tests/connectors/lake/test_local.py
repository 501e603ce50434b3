"""The local lake: what every lake does, and a full disk is one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import StorageFull
from connectors.lake.local import LocalLake
from tests.connectors.lake.suite import LakeSuite, Store, little_room, manifest_of, written

__all__ = ["little_room"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(
        open=lambda: LocalLake(tmp_path),
        names=lambda: sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()),
        read=lambda name: (tmp_path / name).read_bytes(),
        write=lambda name, body: (tmp_path / name).write_bytes(body),
        remove=lambda name: (tmp_path / name).unlink(),
    )


class TestLocalLake(LakeSuite):
    """A folder is a lake."""


async def test_uri_is_where_the_part_can_be_read(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    manifest = manifest_of(await written(lake, manifest_of().prefix, b"Id\n1\n"))
    assert Path(lake.uri(manifest, manifest.parts[0])).read_bytes() == b"Id\n1\n"


async def test_a_full_disk_names_the_path_and_leaves_nothing(store: Store, little_room: None) -> None:
    with pytest.raises(StorageFull, match=r"raw/x/rows-\w+\.csv"):
        await written(store.open(), "raw/x", b"x" * 1_000_000, "rows.csv")
    assert store.names() == []


async def test_a_path_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(StorageFull, match=str(tmp_path / "lake")):
        await written(LocalLake(tmp_path / "lake"), "raw/x")
