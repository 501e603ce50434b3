"""The lake: immutable objects per batch, `manifest.json` written last. One interface, one module per place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from connectors.batch import Manifest, Part, PartFormat, PartKind


class PartWriter(Protocol):
    """Receives one part's bytes as they arrive."""

    async def write(self, chunk: bytes) -> None:
        """Append bytes as received. Raises StorageFull."""
        ...

    def finish(self, *, header: tuple[str, ...], rows: int | None) -> None:
        """Say what was written, before the block ends. Without it the part is dropped."""
        ...

    @property
    def part(self) -> Part:
        """The finished part; only after the block."""
        ...


class Lake(Protocol):
    """Where raw data is kept. Names are relative to the lake's root."""

    def new_part(
        self,
        prefix: str,
        name: str,
        *,
        kind: PartKind,
        format: PartFormat,  # noqa: A002 - the word for it everywhere: Part.format, the contract's format
        source_file: str | None = None,
    ) -> AbstractAsyncContextManager[PartWriter]:
        """Open a part for writing: `async with lake.new_part(...) as part: await part.write(...)`.

        `name` is a stem (`rows-00000.csv.gz`); the stored name carries a nonce as well, so that a part left
        over from a crash is never overwritten nor read. The part exists only if the block ends without error.
        """
        ...

    async def commit(self, manifest: Manifest) -> Manifest:
        """Write `manifest.json`, create-only. If one exists already, return that one: the batch is done."""
        ...

    async def manifest(self, prefix: str) -> Manifest | None:
        """The committed manifest below `prefix`, or None."""
        ...

    def manifests(self, source: str, table: str) -> AsyncIterator[Manifest]:
        """All committed manifests of a table, oldest window first: what a replay reads."""
        ...

    async def note(self, prefix: str, name: str, text: str) -> None:
        """Write a small text below `prefix`, in one step, replacing the one before: what a later run should know.

        Nothing that is loaded may depend on it: it may be lost, and the last of two writers wins.
        """
        ...

    async def read_note(self, prefix: str, name: str) -> str | None:
        """The text of a note, or None."""
        ...

    def uri(self, manifest: Manifest, part: Part) -> str:
        """Where the part lies: a local path, or `gs://…`."""
        ...

    def local(self, manifest: Manifest, parts: Iterable[Part]) -> AbstractContextManager[Mapping[str, str]]:
        """The parts as local files for the time of the block: part name → path. Not to be written to.

        A remote lake downloads them, verified against its checksums, and blocks meanwhile: for a worker thread.
        Raises UnreadableFile for a part that is gone or not as it was written, StorageFull, SourceUnavailable.
        """
        ...


__all__ = ["Lake", "PartWriter"]
