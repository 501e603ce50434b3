"""The lake as a local folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from connectors.batch import Manifest, Part, PartFormat, PartKind
from connectors.errors import InternalError
from connectors.lake.disk import room_for
from connectors.lake.names import MANIFEST, read_manifest, with_nonce


class LocalLake:
    """Immutable objects below one folder.

    A part is written under a hidden name, forced to disk and renamed; the manifest is linked into place, so that
    it appears whole and only once. Bytes go to the page cache from the event loop itself (measured: a thread hop
    costs more than the copy); only waiting for the disk happens in a thread.

    Args:
        root: the folder; it is made when the first part is written.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()

    @asynccontextmanager
    async def new_part(
        self,
        prefix: str,
        name: str,
        *,
        kind: PartKind,
        format: PartFormat,  # noqa: A002 - as in the interface
        source_file: str | None = None,
    ) -> AsyncGenerator[LocalPartWriter]:
        """Open a part for writing; see `Lake.new_part`. Raises StorageFull."""
        folder = self.root / prefix
        final = folder / with_nonce(name)
        hidden = folder / f".{final.name}.partial"
        with room_for(hidden):
            folder.mkdir(parents=True, exist_ok=True)
            file = hidden.open("xb", buffering=1 << 18)
        writer = LocalPartWriter(file, hidden, final, Part(final.name, kind, format, (), None, 0, source_file))
        try:
            yield writer
            await writer.close()
        finally:
            with contextlib.suppress(OSError):
                file.close()
            _remove(hidden)

    async def commit(self, manifest: Manifest) -> Manifest:
        """Write `manifest.json`, create-only; see `Lake.commit`. Raises StorageFull."""
        return await asyncio.to_thread(self._commit, manifest)

    def _commit(self, manifest: Manifest) -> Manifest:
        folder = self.root / manifest.prefix
        final = folder / MANIFEST
        hidden = folder / f".{with_nonce(MANIFEST)}.partial"
        for part in manifest.parts:
            if not (folder / part.name).is_file():
                raise InternalError(f"the manifest of {folder} names a part that is not there: {part.name}")
        try:
            with room_for(final):
                folder.mkdir(parents=True, exist_ok=True)
                _force(folder)
                with hidden.open("xb") as file:
                    file.write(manifest.to_json().encode())
                    file.flush()
                    os.fsync(file.fileno())
                os.link(hidden, final)
                _force(folder)
        except FileExistsError:
            return _read(final)
        finally:
            _remove(hidden)
        return manifest

    async def manifest(self, prefix: str) -> Manifest | None:
        """The committed manifest below `prefix`, or None. Raises UnreadableFile."""
        path = self.root / prefix / MANIFEST
        return await asyncio.to_thread(lambda: _read(path) if path.is_file() else None)

    async def manifests(self, source: str, table: str) -> AsyncIterator[Manifest]:
        """All committed manifests of a table, oldest window first."""
        paths = await asyncio.to_thread(lambda: list((self.root / "raw" / source / table).glob(f"*/*/{MANIFEST}")))
        found = [await asyncio.to_thread(_read, path) for path in paths]
        for manifest in sorted(found, key=lambda m: (m.window.hi, m.extracted_at, m.batch_id)):
            yield manifest

    async def note(self, prefix: str, name: str, text: str) -> None:
        """Write a small text, replacing the one before; see `Lake.note`. Raises StorageFull."""
        await asyncio.to_thread(self._note, self.root / prefix / name, text)

    def _note(self, final: Path, text: str) -> None:
        hidden = final.with_name(f".{with_nonce(final.name)}.partial")
        try:
            with room_for(final):
                final.parent.mkdir(parents=True, exist_ok=True)
                with hidden.open("xb") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                hidden.replace(final)
                _force(final.parent)
        finally:
            _remove(hidden)

    async def read_note(self, prefix: str, name: str) -> str | None:
        """The text of a note, or None."""
        path = self.root / prefix / name
        return await asyncio.to_thread(lambda: path.read_text() if path.is_file() else None)

    def uri(self, manifest: Manifest, part: Part) -> str:
        """The absolute path of the part."""
        return str(self.root / manifest.prefix / part.name)

    @contextmanager
    def local(self, manifest: Manifest, parts: Iterable[Part]) -> Generator[Mapping[str, str]]:
        """The parts where they lie; see `Lake.local`."""
        yield {part.name: self.uri(manifest, part) for part in parts}


class LocalPartWriter:
    """Receives one part's bytes; see `PartWriter`."""

    def __init__(self, file: BinaryIO, hidden: Path, final: Path, unfinished: Part) -> None:
        self._file = file
        self._hidden = hidden
        self._final = final
        self._unfinished = unfinished
        self._bytes = 0
        self._summary: tuple[tuple[str, ...], int | None] | None = None
        self._part: Part | None = None

    async def write(self, chunk: bytes) -> None:
        """Append bytes as received. Raises StorageFull."""
        with room_for(self._final):
            self._file.write(chunk)
        self._bytes += len(chunk)

    def finish(self, *, header: tuple[str, ...], rows: int | None) -> None:
        """Say what was written, before the block ends. Without it the part is dropped."""
        self._summary = (header, rows)

    @property
    def part(self) -> Part:
        """The finished part; only after the block."""
        if self._part is None:
            raise InternalError(f"{self._final.name} was not finished, so it is no part of any batch")
        return self._part

    async def close(self) -> None:
        """Force the bytes to disk and give the part its name; drops an unfinished part."""
        if self._summary is None:
            return
        await asyncio.to_thread(self._publish)
        header, rows = self._summary
        self._part = replace(self._unfinished, header=tuple(header), rows=rows, bytes=self._bytes)

    def _publish(self) -> None:
        with room_for(self._final):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._hidden.rename(self._final)


def _read(path: Path) -> Manifest:
    return read_manifest(path.read_text(), str(path))


def _remove(hidden: Path) -> None:
    # Where nothing can be written nothing can be removed either; why is said by the error under way.
    with contextlib.suppress(OSError):
        hidden.unlink()


def _force(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["LocalLake", "LocalPartWriter"]
