"""`mgdw split workbooks` on files and folders: copies apart from the originals, archives, and what is refused."""

from __future__ import annotations

import errno
import json
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConfigurationError
from split import workbooks
from split.report_workbooks import workbooks_page
from split.tableau.items import WorkbooksReport
from split.tableau.workbook import read_workbook
from split.workbooks import WorkbooksRead, workbooks_read

BOOKS = Path(__file__).with_name("workbooks")
FACTS = Path(__file__).with_name("mixed_project") / "facts.yml"
_HYPER = bytes(range(256)) * 400
_BOOK = (BOOKS / "accounts_10_5.twb").read_bytes().replace(b"[raw].", b"[erp].")
"""Its tables as the facts name them: no project is needed."""


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books" / "of sales"
    folder.mkdir(parents=True)
    (folder / "plain.twb").write_bytes(b"\xef\xbb\xbf" + _BOOK.replace(b"\n", b"\r\n"))
    (folder / "neutral.twb").write_bytes(_BOOK.replace(b"Enterprise", b"Alpha").replace(b"Federal", b"Beta"))
    _packed(folder / "packed.twbx", {"Sales & Co.twb": _BOOK, "Data/accounts.hyper": _HYPER, "Image/logo.png": b"\x89"})
    return folder


def _command(*arguments: str | Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", "split", *map(str, arguments)],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    return ended.returncode, said


def _packed(file: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _run(*paths: Path, output: Path) -> WorkbooksRead:
    return workbooks_read(paths, FACTS, output=output)


def _contents(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_only_changed_files_are_copied_and_no_original_is_touched(books: Path, tmp_path: Path) -> None:
    before = _contents(books)
    read = _run(books.parent, output=tmp_path / "new")
    assert _contents(books) == before
    assert sorted(c.name for c in read.copies) == ["packed.twbx", "plain.twb"]
    assert read.report.problems == ()
    copy = (tmp_path / "new" / "workbooks" / "plain.twb").read_bytes()
    assert copy.startswith(b"\xef\xbb\xbf<?xml")
    assert b"<calculation class='tableau' formula='[amount]' />\r\n" in copy


def test_all_other_members_of_an_archive_stay(books: Path, tmp_path: Path) -> None:
    _run(books, output=tmp_path / "new")
    with zipfile.ZipFile(books / "packed.twbx") as old, zipfile.ZipFile(tmp_path / "new/workbooks/packed.twbx") as new:
        assert new.testzip() is None
        assert [(m.filename, m.date_time, m.compress_type) for m in new.infolist()] == [
            (m.filename, m.date_time, m.compress_type) for m in old.infolist()
        ]
        assert new.read("Data/accounts.hyper") == _HYPER
        assert b"formula='[amount]'" in new.read("Sales & Co.twb")


def test_a_second_run_on_the_result_changes_nothing(books: Path, tmp_path: Path) -> None:
    _run(books, output=tmp_path / "new")
    again = _run(tmp_path / "new" / "workbooks", output=tmp_path / "again")
    assert again.copies == ()
    assert not any(item.new for item in again.report.items)


def test_the_report_is_written_three_times_and_shows_old_and_new(books: Path, tmp_path: Path) -> None:
    (books / "odd.twb").write_bytes(_BOOK.replace(b"caption='Orders Only'", b"caption='&lt;script&gt;alert(1)'"))
    read = _run(books, output=tmp_path / "new")
    assert WorkbooksReport.model_validate(json.loads((tmp_path / "new/workbooks.json").read_text())) == read.report
    page = (tmp_path / "new/workbooks.html").read_text()
    assert page == workbooks_page(read.report)
    assert "<script>alert" not in page
    assert "IF NOT ISNULL([business_unit]) THEN [amount] END" in page
    rows = (tmp_path / "new/workbooks.csv").read_text().splitlines()
    assert len(rows) == len(read.report.items) + 1


def test_without_an_output_nothing_is_written(books: Path, tmp_path: Path) -> None:
    before = _contents(tmp_path)
    read = workbooks_read([books], FACTS)
    assert (_contents(tmp_path), read.page, read.copies) == (before, None, ())


def test_the_output_is_apart_from_what_is_read(books: Path, tmp_path: Path) -> None:
    _run(books, output=tmp_path / "new")
    before = _contents(tmp_path)
    for paths, output in (
        ([books], books / "out"), ([books / "plain.twb"], books), ([tmp_path / "new" / "workbooks"], tmp_path / "new"),
        ([tmp_path / "new/workbooks/plain.twb"], tmp_path / "new"),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError):
            _run(*paths, output=output)
    with pytest.raises(ConfigurationError, match="no such file"):
        _run(books / "missing.twb", output=tmp_path / "other")
    assert _contents(tmp_path) == before


def _truncated(file: Path) -> None:
    _packed(file, {"a.twb": _BOOK})
    file.write_bytes(file.read_bytes()[:-200])


def _damaged(file: Path) -> None:
    _packed(file, {"a.twb": _BOOK})
    content = bytearray(file.read_bytes())
    content[100:130] = bytes(30)
    file.write_bytes(bytes(content))


def _encrypted(file: Path) -> None:
    _packed(file, {"a.twb": _BOOK})
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 1
    file.write_bytes(bytes(content))


def _bomb(file: Path) -> None:
    """Says of itself that it unpacks to 4 GB."""
    _packed(file, {"a.twb": _BOOK, "Data/a.hyper": bytes(5000)})
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 0xFFFFFFF0)
    file.write_bytes(bytes(content))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated.twbx": (_truncated, "is no whole zip archive"),
    "damaged.twbx": (_damaged, "is no whole zip archive"),
    "encrypted.twbx": (_encrypted, "encrypted"),
    "bomb.twbx": (_bomb, "says to unpack to 4,294,967,280 bytes"),
    "empty.twbx": (lambda file: _packed(file, {"Data/a.hyper": b"x"}), "holds no .twb and no .tds"),
    "outside.twbx": (lambda file: _packed(file, {"a.twb": _BOOK, "../../b.hyper": b"x"}), "outside its folder"),
    "absolute.twbx": (lambda file: _packed(file, {"a.twb": _BOOK, "/etc/b": b"x"}), "outside its folder"),
    "not_xml.twb": (lambda file: file.write_bytes(b"\x00\x01 binary"), "is not XML"),
    "other.twb": (lambda file: file.write_bytes(b"<html/>"), "no workbook and no data source"),
    "entities.twb": (lambda file: file.write_bytes(b"<!DOCTYPE w [<!ENTITY a 'b'>]><w/>"), "declares a document type"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_and_the_rest_is_read(books: Path, tmp_path: Path, name: str) -> None:
    write, message = BAD[name]
    write(books / name)
    read = _run(books, output=tmp_path / "new")
    assert [(Path(p.path).name.partition("!")[0], message in p.message) for p in read.report.problems] == [(name, True)]
    assert len(read.copies) == 2


def _fail_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(document: Any, place: str, *rest: Any, **options: Any) -> Any:
        if name in place:
            raise KeyError("odd")
        return read_workbook(document, place, *rest, **options)

    monkeypatch.setattr(workbooks, "read_workbook", odd)


def test_an_error_that_nobody_foresaw_is_of_one_file_and_the_rest_is_read(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_at("odd.twb", monkeypatch)
    (books / "odd.twb").write_bytes(_BOOK)
    read = _run(books, output=tmp_path / "new")
    [problem] = read.report.problems
    assert problem.path.endswith("odd.twb")
    assert "fails with KeyError: 'odd'" in problem.message
    assert len(read.copies) == 2


def test_of_a_file_that_fails_in_the_middle_nothing_is_told_but_the_reason(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_at("second.twb", monkeypatch)
    _packed(books / "two.twbx", {"first.twb": _BOOK, "second.twb": _BOOK})
    read = _run(books, output=tmp_path / "new")
    [problem] = read.report.problems
    assert problem.path.endswith("two.twbx")
    assert [w.path for w in read.report.workbooks if "two.twbx" in w.path] == []
    assert len(read.copies) == 2


def test_a_packed_workbook_with_a_damaged_picture_is_told_of_and_leaves_no_copy(books: Path, tmp_path: Path) -> None:
    file = books / "packed.twbx"
    content = file.read_bytes()
    at = content.index(b"Image/logo.png") + len(b"Image/logo.png")
    file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    read = _run(books, output=tmp_path / "new")
    [problem] = read.report.problems
    assert (problem.path, problem.message.partition(":")[0]) == (str(file), "is no whole zip archive")
    assert [w.path for w in read.report.workbooks if "packed.twbx" in w.path] == []
    assert sorted(f.name for f in (tmp_path / "new" / workbooks.COPIES).rglob("*") if f.is_file()) == ["plain.twb"]


def test_a_disk_that_is_full_is_no_fault_of_a_workbook(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(ConfigurationError, match=r"packed.twbx: cannot be written: No space left on device"):
        _run(books, output=tmp_path / "new")
    assert list((tmp_path / "new" / workbooks.COPIES).rglob("packed.twbx*")) == []


def test_an_apple_double_beside_the_workbook_is_not_read(books: Path, tmp_path: Path) -> None:
    shutil.rmtree(books)
    books.mkdir()
    _packed(books / "mac.twbx", {"a.twb": _BOOK, "__MACOSX/._a.twb": b"\x00\x05\x16\x07"})
    read = _run(books, output=tmp_path / "new")
    assert (read.report.problems, len(read.copies)) == ((), 1)


def test_the_command_tells_what_it_found_and_its_status_says_what_was_not_understood(
    books: Path, tmp_path: Path
) -> None:
    status, said = _command("workbooks", books, "--facts", FACTS, "--output", tmp_path / "new")
    assert status == 0, said
    assert "2 changed copies in" in said
    (books / "broken.twb").write_bytes(_BOOK.replace(b"THEN [amount] END", b"THEN [amount]"))
    status, said = _command("workbooks", books, "--facts", FACTS)
    assert status == 2
    assert f"{books}/broken.twb:35: accounts+ (raw): calculation 'Not Enterprise', its line 1: the formula" in said
    status, said = _command("workbooks", books / "none.twb", "--facts", FACTS)
    assert (status, "What to do:" in said) == (1, True)
