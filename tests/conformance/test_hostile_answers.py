"""Hostile answers: the same rows in every shape a server may send them, and servers that send the wrong ones."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.errors import CountMismatch, DataError
from tests.conformance.conftest import Bench, every
from tests.conformance.hostile.server import Shape
from tests.conformance.hostile.text import csv_text
from tests.conformance.s3 import S3Station
from tests.conformance.station import PAGE

APIS = ["salesforce-hostile", "salesforce-rest-hostile", "netsuite-hostile", "zuora-hostile"]
FILES = ["s3-hostile", "s3-jsonl-hostile"]
SHAPES: dict[str, dict[str, Any]] = {
    "identity encoding": {"gzip": False},
    "chunks of a few bytes": {"chunked": True},
    "chunks of a few bytes, not packed": {"chunked": True, "gzip": False},
    "connection closed after every answer": {"close": True},
    "header names in capitals, headers nobody asked for": {"loud": True},
    "byte order mark": {"bom": True, "gzip": False},
    "byte order mark, packed": {"bom": True},
    "lines end in CR LF": {"line_end": "\r\n"},
    "quotes only where needed": {"quote_all": False},
    "quotes only where needed, CR LF, not packed": {"quote_all": False, "line_end": "\r\n", "gzip": False},
    "column names in another case": {"upper_header": True},
    "pages of one row": {"page_rows": 1},
    "one web page with status 200 in between": {"html": 1},
    "null spelled out": {"null_spelled": True},
    "everything escaped": {"escaped": True},
    "all manners at once": {"chunked": True, "close": True, "loud": True, "bom": True, "quote_all": False},
}
"""Ways to answer that mean the same, as fields of Shape."""


def shape(bench: Bench, **changes: Any) -> None:
    """Let the server answer in another shape."""
    assert bench.station.hostile is not None
    bench.station.hostile.shape = replace(Shape(), **changes)


def varied(bench: Bench) -> None:
    """Eleven rows whose texts would show a page read wrongly."""
    texts = ["plain", "a,b", 'say "so"', "two\nlines", "CR\r\nLF", "ünï", None, " ", "", "\ufeff", "last"]
    name = next(iter(bench.ware.fields))
    for number, text in enumerate(texts, 1):
        bench.ware.put(number, {name: text}, stamp=bench.ware.now - timedelta(hours=1))
    bench.station.show()


@every(APIS)
class TestShapes:
    @pytest.mark.parametrize("name", SHAPES)
    async def test_rows_are_the_same_in_every_shape(self, bench: Bench, name: str) -> None:
        varied(bench)
        shape(bench, **SHAPES[name])
        await bench.good_run()
        await bench.agrees()
        bench.change(lambda ware: ware.put(2, {next(iter(ware.fields)): "changed, \n once"}))
        await bench.good_run()
        await bench.agrees()

    async def test_pages_without_rows_between_others_are_passed_over_or_told(self, bench: Bench) -> None:
        bench.stock(2 * PAGE + 1)
        shape(bench, empty_pages=True)
        await bench.right_or_refused()


@every(APIS)
class TestWrongPages:
    @pytest.mark.parametrize("number", [0, 1])
    async def test_a_page_sent_twice_gives_no_row_twice(self, bench: Bench, number: int) -> None:
        bench.stock(3 * PAGE)
        shape(bench, repeat_page=number)
        await bench.right_or_refused()

    async def test_a_page_sent_in_place_of_the_next_is_noticed(self, bench: Bench) -> None:
        bench.stock(3 * PAGE)
        shape(bench, repeat_page=0, repeat_hides=True)
        await bench.right_or_refused()

    @pytest.mark.parametrize("by", [1, 1000])
    async def test_a_count_that_is_too_high_is_told(self, bench: Bench, by: int) -> None:
        bench.stock(2 * PAGE + 1)
        shape(bench, miscount=by)
        error = await bench.failure()
        assert isinstance(error, CountMismatch)
        assert await bench.stored() == {}

    @pytest.mark.parametrize("more", [0, 1])
    async def test_a_count_that_is_too_low_is_told(self, bench: Bench, more: int) -> None:
        bench.stock(2 * PAGE + more)
        shape(bench, miscount=-1)
        error = await bench.failure()
        assert isinstance(error, CountMismatch)
        assert await bench.stored() == {}

    async def test_rows_counted_where_none_are_sent_are_missed(self, bench: Bench) -> None:
        shape(bench, miscount=1)
        error = await bench.failure()
        assert isinstance(error, DataError)


@every(FILES)
class TestFiles:
    @pytest.mark.parametrize(
        "name",
        [
            "identity encoding", "byte order mark", "byte order mark, packed", "lines end in CR LF",
            "quotes only where needed", "quotes only where needed, CR LF, not packed", "pages of one row",
            "everything escaped",
        ],
    )  # fmt: skip
    async def test_rows_are_the_same_in_every_shape_of_file(self, bench: Bench, name: str) -> None:
        station = sender(bench)
        station.shape = replace(Shape(), **SHAPES[name])
        varied(bench)
        if station.shape.bom and station.dialect.format == "jsonl":
            error = await bench.failure()  # RFC 8259 forbids it, and the sender is told
            assert "byte order mark" in error.cause
            return
        await bench.good_run()
        await bench.agrees()
        bench.change(lambda ware: ware.put(2, {next(iter(ware.fields)): "changed, \n once"}))
        await bench.good_run()
        await bench.agrees()

    async def test_the_same_file_under_two_names_gives_no_row_twice(self, bench: Bench) -> None:
        bench.stock(PAGE)
        station = sender(bench)
        for key, body in list(station.delivered.items()):
            station.deliver(f"again/{key.rpartition('/')[2]}", gzip.compress(body, mtime=0))
        await bench.good_run()
        await bench.agrees()

    async def test_a_cut_file_is_told_and_the_others_are_loaded(self, bench: Bench) -> None:
        bench.stock(2 * PAGE)
        station = sender(bench)
        body = next(iter(station.delivered.values()))
        station.deliver("cut.gz", gzip.compress(body)[:-9])
        error = await bench.failure()
        assert isinstance(error, DataError)
        assert "cut.gz" in error.cause
        await bench.agrees()

    async def test_a_web_page_among_the_files_is_told_and_the_others_are_loaded(self, bench: Bench) -> None:
        bench.stock(PAGE)
        sender(bench).deliver("page.csv", b"<!DOCTYPE html><html><body>Not found</body></html>\n")
        error = await bench.failure()
        assert isinstance(error, DataError)
        assert "page.csv" in error.cause
        await bench.agrees()


@every(["s3-hostile"])
class TestCsvFiles:
    async def test_columns_in_another_order_and_columns_nobody_knows_do_no_harm(self, bench: Bench) -> None:
        bench.stock(PAGE)
        await bench.good_run()
        bench.change(lambda ware: ware.put(1))
        header = [*reversed(list(bench.ware.all_fields)), "unknown"]
        cells = ["by another sender" if f == next(iter(bench.ware.fields)) else None for f in header[:-2]]
        sender(bench).deliver("other.csv", csv_text(header, [[*cells, "k000900", "x"]]))
        await bench.good_run()
        stored = await bench.stored()
        assert stored["k000900"][1] == "by another sender"

    @pytest.mark.parametrize("row", ["k000901,a,b\n", "k000901\n", ",".join(["k000901", *"abcdefghij"]) + "\n"])
    async def test_a_row_with_too_few_or_too_many_cells_is_not_guessed_at(self, bench: Bench, row: str) -> None:
        bench.stock(PAGE)
        header = ",".join(bench.ware.all_fields) + "\n"
        sender(bench).deliver("ragged.csv", (header + row).encode())
        outcome = await bench.run()
        stored = await bench.stored()
        assert outcome.failures or await bench.quarantine()
        assert "k000901" not in stored


def sender(bench: Bench) -> S3Station:
    """The station as a sender of files."""
    assert isinstance(bench.station, S3Station)
    return bench.station
