"""Pages are proven whole before they are passed on, whatever moves or breaks meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import CountMismatch
from connectors.json_lines import Page, cut
from connectors.netsuite.pages import DoubtfulPageError, ProvenPages, keys_of
from connectors.netsuite.ranges import Range, bucket_width, rows_per_range
from connectors.netsuite.ranges import cut as cut_ranges
from connectors.netsuite.suiteql import Key, Selection

ONE = Selection("id", "t", ("id",), ("id",), ("id",))
TWO = Selection("transaction, id", "l", ("transaction", "id"), ("transaction", "id"), ("transaction", "id"))
Spoil = Callable[[list[Key], int], tuple[list[Key], int]]
"""Changes the rows of a page and its count."""


class Shelf:
    """A source that holds keys and understands what a Selection asks; a script changes it between answers."""

    def __init__(self, keys: set[Key], selection: Selection = ONE, limit: int = 3) -> None:
        self.keys = set(keys)
        self.selection = selection
        self.limit = limit
        self.queries = 0
        self.script: dict[int, Callable[[], object]] = {}
        self.spoils: dict[int, Spoil] = {}

    async def fetch(self, query: str) -> Page:
        found = sorted(self._asked(query))
        served, total = found[: self.limit], len(found)
        if spoil := self.spoils.get(self.queries) or self.spoils.get(-1):
            served, total = spoil(served, total)
        rows = [{"links": [], **dict(zip(self.selection.names, map(str, key), strict=True))} for key in served]
        body = {"count": len(rows), "items": rows, "totalResults": total}
        return cut(json.dumps(body).encode(), records="items", opening='{"links":')

    async def count(self, query: str) -> int:
        return len(self._asked(query))

    def _asked(self, query: str) -> list[Key]:
        self.queries += 1
        self.script.pop(self.queries, lambda: None)()
        where = re.search(r"WHERE (.*?)(?: ORDER BY|$)", query)
        condition = where[1].replace(" = ", " == ").replace("AND", "and").replace("OR", "or") if where else "True"
        names = self.selection.names
        return [k for k in self.keys if eval(condition, {}, dict(zip(names, k, strict=True)))]

    def pages(self, **more: Key) -> ProvenPages:
        return ProvenPages(self.fetch, self.count, self.selection, self.limit, **more)  # type: ignore[arg-type]

    async def read(self, **more: Key) -> list[Key]:
        pages = self.pages(**more)
        found = [key for page in [p async for p in pages] for key in keys_of(page, self.selection.names)]
        assert len(found) == pages.rows
        return found


numbers = st.sets(st.integers(-(10**15), 10**15) | st.integers(0, 20), max_size=14)


@given(numbers, st.integers(1, 5))
@settings(max_examples=60)
async def test_every_row_comes_once_however_far_its_key_is(ids: set[int], limit: int) -> None:
    shelf = Shelf({(i,) for i in ids}, limit=limit)
    assert await shelf.read() == [(i,) for i in sorted(ids)]
    # One look more after a full last page: a count that is too low would end there unnoticed.
    assert shelf.queries == len(ids) // limit + 1


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=20), st.integers(1, 5))
@settings(max_examples=60)
async def test_lines_of_one_transaction_survive_a_page_boundary(keys: set[Key], limit: int) -> None:
    assert await Shelf(keys, TWO, limit).read() == sorted(keys)


@given(
    numbers.filter(bool),
    st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 20)), max_size=6),
    st.integers(1, 4),
)
@settings(max_examples=200)
async def test_whatever_moves_while_we_read_no_row_that_stays_is_lost(
    ids: set[int], moves: list[tuple[int, bool, int]], limit: int
) -> None:
    """Rows come and go between any two answers; those that were there all the time are read, each once."""
    shelf = Shelf({(i,) for i in ids}, limit=limit)
    gone: set[Key] = set()
    come: set[Key] = set()
    for when, adds, number in moves:
        key = (number,)

        def move(key: Key = key, adds: bool = adds) -> None:
            if adds and key not in shelf.keys:
                shelf.keys.add(key)
                come.add(key)
            elif not adds and key in shelf.keys:
                shelf.keys.discard(key)
                gone.add(key)

        shelf.script[when] = move
    found = await shelf.read()
    assert len(set(found)) == len(found)
    assert {(i,) for i in ids} - gone <= set(found) <= {(i,) for i in ids} | come


async def test_a_page_shorter_than_asked_is_followed_by_the_rest() -> None:
    shelf = Shelf({(i,) for i in range(9)})
    shelf.spoils = {1: lambda keys, total: (keys[:1], total), 3: lambda keys, total: (keys[:2], total)}
    assert await shelf.read() == [(i,) for i in range(9)]


SPOILS: dict[str, Spoil] = {
    "empty": lambda _keys, total: ([], total),
    "a row missing": lambda keys, total: ([*keys[:1], *keys[2:]], total),
    "a row missing, and the count agrees": lambda keys, total: ([*keys[:1], *keys[2:]], total - 1),
    "out of order": lambda keys, total: (keys[::-1], total),
    "a row twice": lambda keys, total: ([keys[0], *keys], total),
    "a later row instead": lambda keys, total: ([*keys[:2], (8,)], total),
    "the first page again": lambda _keys, total: ([(0,), (1,), (2,)], total),
    "counted short": lambda keys, total: (keys, len(keys)),
}


@pytest.mark.parametrize(
    ("name", "which"),
    # What a first page counts is contradicted by nothing when its rows agree with it.
    [
        (n, w)
        for n in SPOILS
        for w in (1, 2, 3)
        if w > 1 or n not in ("counted short", "a row missing, and the count agrees")
    ],
)
async def test_a_broken_page_is_asked_for_again(name: str, which: int) -> None:
    shelf = Shelf({(i,) for i in range(10)})
    shelf.spoils = {which: SPOILS[name]}
    assert await shelf.read() == [(i,) for i in range(10)]


@pytest.mark.parametrize("name", [n for n in SPOILS if n not in ("counted short", "the first page again")])
async def test_a_page_that_stays_broken_is_an_error(name: str) -> None:
    shelf = Shelf({(i,) for i in range(10)})
    shelf.spoils = {-1: SPOILS[name]}
    with pytest.raises(CountMismatch):
        await shelf.read()


@pytest.mark.parametrize("rows", [7, 8])
@pytest.mark.parametrize("upto", [None, (99,)])
async def test_a_last_page_that_hides_the_last_row_from_its_count_too_is_noticed(rows: int, upto: Key | None) -> None:
    shelf = Shelf({(i,) for i in range(rows)})
    shelf.spoils = {3: lambda keys, total: (keys[:-1], total - 1)}
    assert await shelf.read(**({"upto": upto} if upto else {})) == [(i,) for i in range(rows)]


async def test_a_row_twice_in_place_of_the_last_one_is_noticed() -> None:
    shelf = Shelf({(i,) for i in range(8)})
    shelf.spoils = {3: lambda keys, total: ([keys[0], keys[0]], total)}
    assert await shelf.read() == [(i,) for i in range(8)]


@pytest.mark.parametrize(
    "wrong", [{"count": 1}, {"count": None}, {"count": 2.0}, {"totalResults": None}, {"totalResults": 1}], ids=str
)
async def test_a_page_whose_own_counts_are_wrong_is_not_passed_on(wrong: dict[str, object]) -> None:
    shelf = Shelf({(1,), (2,)})

    async def fetch(query: str) -> Page:
        page = await shelf.fetch(query)
        return Page(page.lines, page.rows, page.last, {**page.envelope, **wrong})

    with pytest.raises(CountMismatch, match="a page says it has"):
        _ = [page async for page in ProvenPages(fetch, shelf.count, shelf.selection, shelf.limit)]


async def test_a_first_page_that_is_there_already_is_not_asked_for_again() -> None:
    shelf = Shelf({(i,) for i in range(5)})
    first = await shelf.fetch(shelf.selection.page(None, None))
    pages = ProvenPages(shelf.fetch, shelf.count, shelf.selection, shelf.limit, first=first)
    assert [page.rows async for page in pages] == [3, 2]
    assert shelf.queries == 2


async def test_a_page_is_asked_for_three_times_in_all() -> None:
    shelf = Shelf({(1,), (2,)})
    shelf.spoils = {-1: SPOILS["empty"]}
    pages = shelf.pages()
    with pytest.raises(CountMismatch, match="an empty page, with 2 rows left") as caught:
        _ = [page async for page in pages]
    assert (caught.value.facts["expected"], caught.value.facts["received"]) == (2, 0)
    assert (shelf.queries, pages.doubts, pages.rows) == (3, 3, 0)


async def test_each_page_has_its_own_tries_and_every_doubt_is_counted() -> None:
    shelf = Shelf({(i,) for i in range(8)})
    shelf.spoils = dict.fromkeys((1, 2, 5, 7), SPOILS["empty"])
    pages = shelf.pages()
    assert [page.rows async for page in pages] == [3, 3, 2]
    assert (pages.doubts, pages.rows) == (4, 8)


async def test_the_same_page_over_and_over_is_an_error() -> None:
    shelf = Shelf({(i,) for i in range(10)})
    shelf.spoils = {-1: SPOILS["the first page again"]}
    with pytest.raises(CountMismatch, match="served before"):
        await shelf.read()


def test_a_key_is_found_among_texts_that_look_like_one() -> None:
    body = (
        b'{"items":[{"links":[],"memo":"\\"id\\":\\"7\\",","externalid":"9","id":"1"},'
        b'{"links":[],"id" : 22 ,"x":"id"}],"count":2}'
    )
    assert keys_of(cut(body, records="items", opening='{"links":'), ("id",)) == [(1,), (22,)]


@pytest.mark.parametrize("row", [b'{"x":"1"}', b'{"id":"a"}', b'{"id":null}', b'{"ID":"1"}', b'{"id":"1.5"}'])
def test_a_row_without_a_whole_number_for_a_key_is_doubtful(row: bytes) -> None:
    with pytest.raises(DoubtfulPageError):
        keys_of(cut(b'{"items":[' + row + b"]}", records="items", opening='{"links":'), ("id",))


def test_a_row_with_a_part_of_its_key_is_doubtful() -> None:
    body = b'{"items":[{"transaction":"1","id":"1"},{"transaction":"1","id":null}]}'
    with pytest.raises(DoubtfulPageError, match="not every row"):
        keys_of(cut(body, records="items", opening='{"transaction":'), ("transaction", "id"))


async def test_names_in_another_case_are_not_read_as_nulls() -> None:
    shelf = Shelf({(1,)}, Selection("id", "t", ("id",), ("id",), ("id", "email")))
    other = shelf.fetch

    async def renamed(query: str) -> Page:
        page = await other(query)
        return Page(page.lines, page.rows, {**(page.last or {}), "Email": "x"}, page.envelope)

    with pytest.raises(CountMismatch, match="Email"):
        _ = [p async for p in ProvenPages(renamed, shelf.count, shelf.selection, shelf.limit)]


@given(
    st.dictionaries(st.integers(0, 999), st.integers(1, 5000), max_size=40),
    st.integers(-50, 10**6),
    st.integers(1, 500),
    st.integers(1, 9000),
)
def test_ranges_cover_every_key_once_and_are_not_too_large(
    buckets: dict[int, int], lowest: int, width: int, rows: int
) -> None:
    ranges = cut_ranges(buckets, lowest, width, rows)
    assert ranges[0].after is None
    assert ranges[-1].upto is None
    assert all(one.upto == other.after is not None for one, other in pairwise(ranges))
    held: list[list[int]] = []
    for span in ranges:
        inside = [n for b, n in sorted(buckets.items()) if _holds(span, lowest + b * width)]
        held.append(inside)
        assert len(inside) <= 1 or sum(inside) <= rows
        assert all(_holds(span, lowest + b * width) == _holds(span, lowest + b * width + width - 1) for b in buckets)
    assert all(held) or not buckets
    assert all(sum(one) + other[0] > rows for one, other in pairwise(held))


def test_buckets_that_fill_a_range_to_the_last_row_stay_together() -> None:
    buckets = {0: 5, 1: 5, 2: 5, 3: 5, 4: 1}
    assert cut_ranges(buckets, 100, 10, 10) == [Range(None, 119), Range(119, 139), Range(139, None)]


@given(st.integers(-(10**9), 10**12), st.integers(0, 3000) | st.integers(0, 10**12))
def test_a_histogram_fits_one_page_and_is_no_coarser_than_that_asks(lowest: int, span: int) -> None:
    width = bucket_width(lowest, lowest + span)
    assert span // width < 1000
    assert width == 1 or span // (width - 1) >= 1000


def test_a_range_is_worth_several_pages_and_no_larger_than_a_part() -> None:
    assert rows_per_range(8_000, 1000, 50_000) == 4_000
    assert rows_per_range(160_000, 1000, 50_000) == 10_000
    assert rows_per_range(10_000_000, 1000, 50_000) == 50_000


def _holds(span: Range, key: int) -> bool:
    return (span.after is None or key > span.after) and (span.upto is None or key <= span.upto)
