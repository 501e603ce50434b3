"""Which of the listed objects are deliveries, which of them are new, and how they are grouped. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from connectors.batch import BatchRequest, FileRef
from connectors.contract import Table
from connectors.window import Window

_UNFINISHED = (".tmp", ".temp", ".partial", ".part", ".filepart", ".crdownload")
_MARKERS = (".done", ".ok", ".ready", ".success", ".complete", "_$folder$", "/manifest.json")


def is_delivery(file: FileRef, prefix: str) -> bool:
    """False for what senders leave beside their files: folder keys, empty objects, markers, unfinished uploads.

    Everything else counts, whatever its suffix: a file that cannot be read must be reported, not passed over.
    """
    name = file.key.removeprefix(prefix)
    hidden = any(part.startswith(("_", ".")) for part in name.split("/"))
    return file.size > 0 and not hidden and not f"/{name}".lower().endswith((*_UNFINISHED, *_MARKERS))


def not_loaded(files: Iterable[FileRef], loaded: Collection[tuple[str, str, str]]) -> list[FileRef]:
    """The files whose present delivery the ledger does not hold: new keys, and keys that were delivered again."""
    return [f for f in files if (f.bucket, f.key, f.token) not in loaded]


def batches(table: Table, files: Iterable[FileRef], *, most_files: int, most_bytes: int) -> list[BatchRequest]:
    """The files in batches of bounded size, oldest delivery first, so that a later one corrects an earlier one.

    A batch's window is the time its files were delivered in; it never starts at the beginning of time, for a
    set of files does not say which rows are gone elsewhere.
    """
    groups: list[list[FileRef]] = []
    size = 0
    for file in sorted(files, key=lambda f: (f.last_modified, f.key)):
        if not groups or len(groups[-1]) >= most_files or size + file.size > most_bytes:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.size
    return [_batch(table, group) for group in groups]


def _batch(table: Table, group: list[FileRef]) -> BatchRequest:
    window = Window(group[0].last_modified, group[-1].last_modified + timedelta(seconds=1))
    return BatchRequest(table, window, tuple(group))
