"""Which of the listed objects are deliveries, which of them are new, and how they are grouped. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.batch import BatchRequest, FileRef
from connectors.contract import Table
from connectors.s3.sets import is_control
from connectors.window import Window

_UNFINISHED = (".tmp", ".temp", ".partial", ".part", ".filepart", ".crdownload")
_MARKERS = (".done", ".ok", ".ready", ".success", ".complete", "_$folder$", "/manifest.json")


@dataclass(frozen=True)
class Listing:
    """What lies below a table's prefix.

    Attributes:
        now: the time at S3 just before.
        present: everything, by key.
        deliveries: the files, oldest delivery first.
        empty: objects of zero bytes that are named like files.
    """

    now: datetime
    present: Mapping[str, FileRef]
    deliveries: tuple[FileRef, ...]
    empty: tuple[FileRef, ...]

    @property
    def newest_first(self) -> tuple[FileRef, ...]:
        """The files, newest delivery first."""
        return self.deliveries[::-1]


def sorted_out(table: Table, files: Iterable[FileRef], now: datetime) -> Listing:
    """Tell deliveries from what senders leave beside them."""
    present = {f.key: f for f in files}
    candidates = [f for f in present.values() if is_delivery(f, table.object)]
    candidates = [f for f in candidates if not is_control(f.key, table.files.complete_when)]
    return Listing(
        now,
        present,
        tuple(sorted((f for f in candidates if f.size), key=lambda f: (f.last_modified, f.key))),
        tuple(f for f in candidates if not f.size and "." in f.key.rpartition("/")[2]),
    )


def is_delivery(file: FileRef, prefix: str) -> bool:
    """False for what senders leave beside their files: markers, hidden names, unfinished uploads.

    Everything else counts, whatever its suffix: a file that cannot be read must be reported, not passed over.
    """
    name = file.key.removeprefix(prefix)
    hidden = any(part.startswith(("_", ".")) for part in name.split("/"))
    return not hidden and not f"/{name}".lower().endswith((*_UNFINISHED, *_MARKERS))


def not_loaded(files: Iterable[FileRef], loaded: Collection[tuple[str, str, str]]) -> list[FileRef]:
    """The files whose present delivery the ledger does not hold: new keys, and keys that were delivered again."""
    return [f for f in files if (f.bucket, f.key, f.token) not in loaded]


def twins(files: Iterable[FileRef], loaded: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Files whose ETag was seen before under another key, and that key: most likely the same content.

    An ETag is no checksum, but two files of one do not have it by chance (S3 API Reference, "Object").
    """
    known: dict[str, str] = {}
    for _, key, token in sorted(loaded):
        known.setdefault(token.split(" ")[0], key)
    found: dict[str, str] = {}
    for file in (f for f in files if f.etag):
        first = known.setdefault(file.etag, file.key)
        if first != file.key:
            found[file.key] = first
    return found


def to_archive(table: Table, listing: Listing, loaded: Collection[tuple[str, str, str]]) -> dict[str, FileRef]:
    """The files to be archived, by the key they get: loaded in exactly this delivery, and old enough.

    The newest file stays: the next run compares its columns with the contract.
    """
    rule = table.files.archive
    if rule is None:
        return {}
    return {
        rule.prefix + file.key.removeprefix(table.object): file
        for file in listing.deliveries[:-1]
        if (file.bucket, file.key, file.token) in loaded and listing.now - file.last_modified > timedelta(rule.days)
    }


def batches(
    table: Table, files: Iterable[FileRef], *, most_files: int, most_bytes: int, label: str = ""
) -> list[BatchRequest]:
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
    return [_batch(table, group, label) for group in groups]


def _batch(table: Table, group: list[FileRef], label: str) -> BatchRequest:
    window = Window(group[0].last_modified, group[-1].last_modified + timedelta(seconds=1))
    return BatchRequest(table, window, tuple(group), label)
