"""A gzipped CSV looked through in chunks: the same header and rows as a CSV reader finds."""

from __future__ import annotations

import csv
import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import TruncatedBody, UnreadableFile
from connectors.zuora.csv_file import GzipCsv

cells = st.text() | st.lists(st.sampled_from(['"', '""', "\n", "\r\n", ",", "a", "é"])).map("".join)
width = 3
lines = st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6)


def written(rows: list[list[str]], *, quote_all: bool, end: str) -> str:
    target = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(target, quoting=quoting, lineterminator=end)
    writer.writerow(["Id", "Account.Name", "Notes"])
    writer.writerows(rows)
    return target.getvalue()


def seen(data: bytes, size: int) -> GzipCsv:
    file = GzipCsv("file 1")
    for start in range(0, len(data), size):
        file.feed(data[start : start + size])
    return file


@given(lines, st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 50), st.integers(1, 200))
def test_header_and_rows_are_those_of_a_csv_reader(
    rows: list[list[str]], quote_all: bool, end: str, last_end: bool, size: int, member: int
) -> None:
    text = written(rows, quote_all=quote_all, end=end)
    if not last_end:
        text = text.removesuffix(end)
    plain = text.encode("utf-8", "surrogatepass")
    packed = b"".join(gzip.compress(plain[i : i + member], 1) for i in range(0, len(plain), member))
    file = seen(packed, size)
    file.finish()
    assert file.header == ("Id", "Account.Name", "Notes")
    assert file.rows == len(rows)


@given(lines, st.data())
def test_a_file_that_ends_early_is_never_whole(rows: list[list[str]], data: st.DataObject) -> None:
    packed = gzip.compress(written(rows, quote_all=False, end="\n").encode("utf-8", "surrogatepass"))
    file = seen(packed[: data.draw(st.integers(0, len(packed) - 1))], 64)
    with pytest.raises(TruncatedBody):
        file.finish()


@given(lines, lines, st.sampled_from([["x"], ["x", "y"], ["x", "y", "z", ""]]), st.booleans(), st.integers(1, 200))
def test_a_record_of_another_width_is_named_with_its_line(
    rows: list[list[str]], more: list[list[str]], odd: list[str], quote_all: bool, member: int
) -> None:
    before = written([*rows, odd], quote_all=quote_all, end="\n")
    plain = written([*rows, odd, *more], quote_all=quote_all, end="\n").encode("utf-8", "surrogatepass")
    packed = b"".join(gzip.compress(plain[i : i + member], 1) for i in range(0, len(plain), member))
    with pytest.raises(UnreadableFile) as caught:
        seen(packed, 64)
    line = before.count("\n")
    assert caught.value.facts == {"line": line}
    assert f"the record that ends in line {line} has {len(odd)} cells, the header has 3" in str(caught.value)


def test_line_breaks_inside_the_record_itself_count() -> None:
    with pytest.raises(UnreadableFile, match="ends in line 5 has 2 cells"):
        seen(gzip.compress(b'h,i,j\n"a\n",b,c\n"d\n",x\n'), 100)


def test_a_last_record_without_line_break_is_as_wide_as_the_others() -> None:
    file = seen(gzip.compress(b'Id,Name\n"1\n",a\n2'), 5)
    with pytest.raises(UnreadableFile, match="ends in line 4 has 1 cells, the header has 2"):
        file.finish()


def test_a_file_that_ends_inside_quotes_is_not_whole() -> None:
    file = seen(gzip.compress(b'Id,Name\n1,"a\n2,b\n'), 5)
    with pytest.raises(UnreadableFile, match="inside a quoted value"):
        file.finish()


def test_a_header_that_is_no_text_is_refused() -> None:
    file = seen(gzip.compress(b"\xff\xfe,Name\n1,a\n"), 5)
    with pytest.raises(UnreadableFile, match="no CSV header"):
        _ = file.header


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_rows_of_a_single_column_are_counted_too(size: int) -> None:
    file = seen(gzip.compress(b"Id\n1\n2\n3\n"), size)
    file.finish()
    assert (file.header, file.rows) == (("Id",), 3)


def test_a_mark_before_the_header_is_no_part_of_it() -> None:
    file = seen(gzip.compress("\ufeffId,Name\n1,a\n".encode()), 7)
    assert (file.header, file.rows) == (("Id", "Name"), 1)


@pytest.mark.parametrize(
    "data",
    [b"Id,Name\n", zlib.compress(b"Id,Name\n"), gzip.compress(b"Id,Name\n") + zlib.compress(b"1,a\n")],
    ids=["plain", "zlib", "zlib after gzip"],
)
def test_something_else_than_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"file 1 is no gzip .*starts with"):
        GzipCsv("file 1").feed(data)


def test_an_empty_file_has_neither_header_nor_rows() -> None:
    file = seen(gzip.compress(b""), 10)
    file.finish()
    assert (file.header, file.rows) == ((), 0)
