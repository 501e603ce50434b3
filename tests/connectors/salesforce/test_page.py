"""Looking into a result page while its bytes pass by."""

from __future__ import annotations

import gzip
import itertools
import random
import zlib

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import TruncatedBody, UnreadableFile
from connectors.salesforce import page
from connectors.salesforce.page import PageCheck

TEXT = b'"Id","Name"\n"001","a"\n"002","b\nc"\n'
PACKED = gzip.compress(TEXT, mtime=0)
FRAMED = httpx.Headers({"Content-Encoding": "gzip", "Content-Length": "1"})
UNFRAMED = httpx.Headers({"Content-Encoding": "gzip"})
CHUNKED = httpx.Headers({"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"})
PLAIN = httpx.Headers({"Content-Length": "1"})


def header(headers: httpx.Headers, *chunks: bytes) -> tuple[str, ...]:
    check = PageCheck(headers)
    for chunk in chunks:
        check.feed(chunk)
    return check.end()


@given(st.lists(st.integers(0, len(PACKED)), max_size=8).map(sorted))
def test_the_header_is_found_however_the_bytes_are_cut(cuts: list[int]) -> None:
    bounds = [0, *cuts, len(PACKED)]
    chunks = [PACKED[a:b] for a, b in itertools.pairwise(bounds)]
    assert header(FRAMED, *chunks) == ("Id", "Name")


def test_a_plain_page_has_a_header_too() -> None:
    assert header(PLAIN, TEXT[:5], TEXT[5:]) == ("Id", "Name")


def test_a_byte_order_mark_and_a_carriage_return_are_no_part_of_a_name() -> None:
    assert header(PLAIN, b'\xef\xbb\xbf"Id",Name\r\n"001",x\r\n') == ("Id", "Name")


def test_a_page_that_is_only_a_header_needs_no_line_end() -> None:
    assert header(PLAIN, b"Id,Name") == ("Id", "Name")
    assert header(PLAIN) == ()
    assert header(FRAMED) == ()


@given(st.integers(1, len(PACKED) - 1))
def test_a_gzip_stream_cut_anywhere_is_noticed(length: int) -> None:
    with pytest.raises(TruncatedBody):
        header(FRAMED, PACKED[:length])


@given(st.integers(10, len(PACKED) - 1), st.integers(1, 255))
@example(39, 16)  # padding between the stream and its checksum, which nobody reads
def test_a_flipped_byte_is_noticed_or_changes_nothing_that_is_read(place: int, change: int) -> None:
    broken = bytearray(PACKED)
    broken[place] ^= change
    try:
        assert header(FRAMED, bytes(broken)) == ("Id", "Name")
    except (TruncatedBody, UnreadableFile):
        return
    assert gzip.decompress(bytes(broken)) == TEXT


def test_a_page_of_several_gzip_members_is_read_through() -> None:
    assert header(UNFRAMED, gzip.compress(TEXT[:4]) + gzip.compress(TEXT[4:])) == ("Id", "Name")


def test_a_large_page_is_inflated_to_its_end_only_if_nothing_else_marks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "CHECKED_BYTES", 10_000)
    large = gzip.compress(b"Id,Name\n" + random.Random(1).randbytes(100_000), mtime=0)
    chunks = [large[:-50][i : i + 4096] for i in range(0, len(large), 4096)]
    assert header(FRAMED, *chunks) == ("Id", "Name")
    with pytest.raises(TruncatedBody, match="ends in its middle"):
        header(UNFRAMED, *chunks)


def test_a_first_line_without_an_end_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="over 1 MiB"):
        header(PLAIN, b"x" * (1 << 20), b"x")


def test_a_first_line_of_a_mebibyte_is_read() -> None:
    assert header(PLAIN, b"x," * (1 << 19), b"\n") == (*["x"] * (1 << 19), "")


@pytest.mark.parametrize("line", [b"x" * 200_000, b"Id\rName"])
def test_a_first_line_that_is_no_csv_is_refused(line: bytes) -> None:
    with pytest.raises(UnreadableFile, match="header line is no CSV"):
        header(PLAIN, line + b"\n")


def test_a_header_that_is_not_text_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="not UTF-8"):
        header(PLAIN, b"\xff\xfe\n")


def test_a_page_known_to_be_large_is_inflated_for_its_header_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "CHECKED_BYTES", 10)
    headers = httpx.Headers({"Content-Encoding": "gzip", "Content-Length": str(len(PACKED))})
    assert header(headers, PACKED, b"anything") == ("Id", "Name")


def test_pages_of_up_to_a_mebibyte_are_inflated_to_their_end() -> None:
    at_most, more = ({"Content-Encoding": "gzip", "Content-Length": str((1 << 20) + n)} for n in (0, 1))
    assert header(httpx.Headers(more), PACKED, b"anything") == ("Id", "Name")
    with pytest.raises(TruncatedBody, match="is broken"):
        header(httpx.Headers(at_most), PACKED, b"anything")


def test_a_page_of_unsaid_length_is_inflated_up_to_a_mebibyte_if_chunks_mark_its_end() -> None:
    random_bytes = random.Random(1).randbytes(2 << 20)
    large = gzip.compress(b"Id,Name\n" + random_bytes, mtime=0)
    with pytest.raises(TruncatedBody, match="ends in its middle, after 1048576 bytes"):
        header(CHUNKED, large[: 1 << 20])
    assert header(CHUNKED, large[: (1 << 20) + 1]) == ("Id", "Name")
    with pytest.raises(TruncatedBody, match="ends in its middle, after 1048577 bytes"):
        header(UNFRAMED, large[: (1 << 20) + 1])


def test_a_stream_that_cannot_be_inflated_is_given_up_at_once() -> None:
    with pytest.raises(TruncatedBody, match="is broken"):
        PageCheck(FRAMED).feed(b"plain text")
    with pytest.raises(TruncatedBody, match="is broken"):
        PageCheck(FRAMED).feed(zlib.compress(TEXT))
