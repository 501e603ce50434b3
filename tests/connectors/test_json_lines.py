"""Pages cut to JSON lines: the same records, the same texts, whatever the records hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.json_lines import _cut_by_bytes, cut

OPENING = '{"links":'
NASTY = [
    '},{"links":[],',
    '{"links":',
    "}]",
    '"items":[',
    "],",
    "\\",
    '"',
    "\n",
    "{",
    "}",
    "\u2028",
    "é",
    "\U0001f600",
    "\x00",
]

texts = st.text() | st.lists(st.sampled_from(NASTY)).map("".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
links: st.SearchStrategy[Any] = st.just([]) | st.lists(st.fixed_dictionaries({"rel": texts, "href": texts}), max_size=2)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["links", "a", "items"]) | texts, inner, max_size=3)
    ),
    max_leaves=6,
)
plain_records = st.dictionaries(texts, scalars, max_size=4).map(
    lambda d: {"links": []} | {k: v for k, v in d.items() if k != "links"}
)
any_records = st.dictionaries(st.sampled_from(["links", "a", "b"]) | texts, nested, max_size=4)
envelopes = st.fixed_dictionaries({"before": nested, "after": nested, "note": texts})


def body_of(records: list[dict[str, Any]], envelope: dict[str, Any], **style: Any) -> bytes:
    whole = {"before": envelope["before"], "items": records, "after": envelope["after"], "note": envelope["note"]}
    return json.dumps(whole, **style).encode()


def records_in(lines: bytes) -> list[Any]:
    assert not lines or lines.endswith(b"\n")
    return [json.loads(line) for line in lines.split(b"\n")[:-1]]


@given(st.lists(any_records | plain_records, max_size=5), envelopes, st.booleans(), st.sampled_from([None, 1]))
def test_the_lines_hold_the_records_of_the_page(
    records: list[dict[str, Any]], envelope: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    separators = (",", ":") if indent is None else None
    page = cut(
        body_of(records, envelope, ensure_ascii=ascii_only, indent=indent, separators=separators),
        records="items",
        opening=OPENING,
    )
    assert records_in(page.lines) == records
    assert page.rows == len(records)
    assert page.last == (records[-1] if records else None)
    assert page.envelope == envelope


@given(st.lists(any_records | plain_records, min_size=1, max_size=5), envelopes)
def test_the_fast_way_is_right_or_declines(records: list[dict[str, Any]], envelope: dict[str, Any]) -> None:
    body = body_of(records, envelope, ensure_ascii=False, separators=(",", ":"))
    page = _cut_by_bytes(body, "items", OPENING.encode())
    if page is not None:
        assert records_in(page.lines) == records
        assert page.envelope == envelope


def test_a_plain_page_takes_the_fast_way() -> None:
    body = b'{"count":2,"items":[{"links":[],"id":"1","memo":"a, b"},{"links":[],"id":"2"}],"totalResults":2}'
    page = _cut_by_bytes(body, "items", OPENING.encode())
    assert page is not None
    assert page.lines == b'{"links":[],"id":"1","memo":"a, b"}\n{"links":[],"id":"2"}\n'
    assert page.envelope == {"count": 2, "totalResults": 2}
    assert page.last == {"links": [], "id": "2"}


def test_records_that_open_with_an_object_take_the_fast_way() -> None:
    opening = b'{"attributes":{'
    body = b'{"done":true,"records":[{"attributes":{"type":"A"},"Id":"1"},{"attributes":{"type":"A"},"Id":"2"}]}'
    page = _cut_by_bytes(body, "records", opening)
    assert page is not None
    assert [r["Id"] for r in records_in(page.lines)] == ["1", "2"]


def test_a_number_keeps_every_digit_on_the_slow_way() -> None:
    body = b'{"items": [{"amount": 12345678901234567890.10, "rate": 1E+2}], "count": 1}'
    assert cut(body, records="items", opening=OPENING).lines == b'{"amount": 12345678901234567890.10, "rate": 1E+2}\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"items":1}',
        b'{"items":[1]}',
        b'{"items":[{"a":1}',
        b'{"items":[{"a":1}]} x',
        b"<html>",
        b"\xff",
    ],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - decoding, parsing and our own checks alike
        cut(body, records="items", opening=OPENING)


@given(st.lists(any_records | plain_records, min_size=1, max_size=3), envelopes, st.data())
def test_a_page_that_ends_early_is_refused(records: list[Any], envelope: dict[str, Any], data: st.DataObject) -> None:
    body = body_of(records, envelope, separators=(",", ":"))
    with pytest.raises(ValueError):  # noqa: PT011 - decoding, parsing and our own checks alike
        cut(body[: data.draw(st.integers(0, len(body) - 1))], records="items", opening=OPENING)


def test_a_byte_order_mark_is_no_part_of_the_page() -> None:
    for body in (b'{"items":[{"links":[],"a":1}]}', b'{ "items" : [ {"a": 1} ] }'):
        page = cut(b"\xef\xbb\xbf" + body, records="items", opening=OPENING)
        assert page.rows == 1
        assert page.records()[0]["a"] == 1


@given(st.lists(plain_records, max_size=5), envelopes)
def test_the_records_of_a_page_are_what_was_sent(records: list[dict[str, Any]], envelope: dict[str, Any]) -> None:
    assert cut(body_of(records, envelope), records="items", opening=OPENING).records() == records
