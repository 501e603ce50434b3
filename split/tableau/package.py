"""Workbook files: .twb and .tds as they are, .twbx and .tdsx as zip archives. Nothing is unpacked to disk."""

from __future__ import annotations

import copy
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from split.tableau.markup import Document, NotMarkup, read_markup

PLAIN = (".twb", ".tds")
PACKED = (".twbx", ".tdsx")
LARGEST = 256 * 1024 * 1024
"""Bytes of XML that are read; a workbook of 100 sheets has a few million."""
_DENSEST = 200
"""Times that a member of more than `LARGEST` bytes may be larger than its packed form."""
_BROKEN = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, UnicodeDecodeError)
"""What zipfile raises on a damaged archive, at its opening or at a member: reading and copying say the same of it.
NotImplementedError: a compression or a version of zip that it does not know."""


class Unreadable(ValueError):
    """A file that is not read, for a reason in words. `line` is where (0: the file as a whole)."""

    def __init__(self, path: str, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


@dataclass(frozen=True)
class Part:
    """One XML document of a file.

    Attributes:
        member: its name in the archive; None for a file that is none.
    """

    file: Path
    member: str | None
    document: Document

    @property
    def is_workbook(self) -> bool:
        """Whether it may have sheets; a data source has none."""
        return self.document.root.tag == "workbook"


def found(paths: Sequence[Path]) -> Iterator[Path]:
    """The workbook files among files and below folders, each once. Raises FileNotFoundError with the path."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(str(path))
        inside = (
            sorted(f for f in path.rglob("*") if f.suffix.lower() in (*PLAIN, *PACKED)) if path.is_dir() else [path]
        )
        for file in inside:
            if file.is_file() and file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def read(file: Path) -> list[Part]:
    """The documents of a file. Raises Unreadable."""
    try:
        if file.suffix.lower() in PACKED:
            return _unpacked(file)
        if file.suffix.lower() not in PLAIN:
            raise Unreadable(str(file), f"is none of {', '.join((*PLAIN, *PACKED))}")
        if file.stat().st_size > LARGEST:
            raise Unreadable(str(file), f"has more than {LARGEST:,} bytes")
        return [_part(file, None, file.read_bytes())]
    except OSError as error:
        raise Unreadable(str(file), f"cannot be read: {error.strerror or error}") from error


def write(file: Path, target: Path, changed: Mapping[str | None, bytes]) -> None:
    """Write a copy of a file with some of its documents changed; the other members of an archive stay the same.

    Raises:
        Unreadable: a member of the archive is damaged. There is no copy then, as after any other error.
        OSError: the copy cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        if None in changed:
            unfinished.write_bytes(changed[None])
        else:
            _pack(file, unfinished, changed)
        unfinished.replace(target)
    except _BROKEN as error:
        raise Unreadable(str(file), f"is no whole zip archive: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _pack(file: Path, target: Path, changed: Mapping[str | None, bytes]) -> None:
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w", allowZip64=True) as new:
        new.comment = old.comment
        for member in old.infolist():
            if member.is_dir():
                new.writestr(member, b"")
                continue
            if member.filename in changed:
                new.writestr(member, changed[member.filename], compress_type=member.compress_type)
                continue
            large = member.file_size >= 2**31
            with old.open(member) as source, new.open(copy.copy(member), "w", force_zip64=large) as sink:
                shutil.copyfileobj(source, sink, 1024 * 1024)


def _unpacked(file: Path) -> list[Part]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            for member in members:
                _check(file, member)
            documents = [m for m in members if _is_document(PurePosixPath(m.filename))]
            if not documents:
                raise Unreadable(str(file), "holds no .twb and no .tds")
            return [_part(file, m.filename, _content(archive, file, m)) for m in documents]
    except _BROKEN as error:
        raise Unreadable(str(file), f"is no whole zip archive: {error}") from error


def _is_document(name: PurePosixPath) -> bool:
    """Not what macOS puts beside each file of a zip."""
    return name.suffix.lower() in PLAIN and not name.name.startswith("._")


def _check(file: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/", maxsplit=1)[0]:
        raise Unreadable(str(file), f"holds {member.filename!r}, which would be written outside its folder")
    if member.flag_bits & 1:
        raise Unreadable(str(file), f"holds {member.filename!r} encrypted")
    if member.file_size > LARGEST and member.file_size > _DENSEST * max(member.compress_size, 1):
        raise Unreadable(str(file), f"holds {member.filename!r}, which says to unpack to {member.file_size:,} bytes")


def _content(archive: zipfile.ZipFile, file: Path, member: zipfile.ZipInfo) -> bytes:
    """The member's bytes; no more than allowed are unpacked, whatever its header says."""
    with archive.open(member) as opened:
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Unreadable(str(file), f"holds {member.filename!r}, which has more than {LARGEST:,} bytes")
    return content


def _part(file: Path, member: str | None, content: bytes) -> Part:
    place = str(file) if member is None else f"{file}!{member}"
    try:
        document = read_markup(content)
    except NotMarkup as error:
        raise Unreadable(place, str(error), error.line) from error
    if document.root.tag not in ("workbook", "datasource"):
        raise Unreadable(place, f"is no workbook and no data source: its root is <{document.root.tag}>", 1)
    return Part(file, member, document)
