"""A gzipped CSV looked through in chunks: the same header and rows as a CSV reader finds."""

from __future__ import annotations

import csv
import gzip
import io

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


def test_a_mark_before_the_header_is_no_part_of_it() -> None:
    file = seen(gzip.compress("\ufeffId,Name\n1,a\n".encode()), 7)
    assert (file.header, file.rows) == (("Id", "Name"), 1)


def test_something_else_than_gzip_is_refused() -> None:
    with pytest.raises(UnreadableFile):
        GzipCsv("file 1").feed(b"Id,Name\n")


def test_an_empty_file_has_neither_header_nor_rows() -> None:
    file = seen(gzip.compress(b""), 10)
    file.finish()
    assert (file.header, file.rows) == ((), 0)
