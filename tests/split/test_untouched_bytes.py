"""What a cut does not take stays byte for byte; a second run changes nothing; a neutral file comes back as it was."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from split.sql.edits import Edit, patched
from split.sql.engine import specialise
from tests.split.queries import Generator, lookup
from tests.split.wide_queries import WideGenerator

_HEAD = "{{ config(materialized='table') }}\r\n-- größer: keep\t \n{# Ent stays in a comment #}\n\n"
_TAIL = "\n\n  -- the end, without a line end: 'Ent'\t"
_TEXTS = st.text(alphabet="ab ,\n\t(é", min_size=1, max_size=60)


@st.composite
def _edits(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = draw(_TEXTS)
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = list(zip(places[::2], places[1::2], strict=False))
    inserts = [draw(st.sampled_from(["", "X", "null"])) for _ in spans]
    edits = [
        Edit("any", frozenset(), span, (span,), ((span[0], piece),) if piece else ())
        for span, piece in zip(spans, inserts, strict=True)
    ]
    return text, edits


@given(_edits())
def test_all_but_what_is_cut_stays_in_order_and_only_blanks_go_with_it(made: tuple[str, list[Edit]]) -> None:
    text, edits = made
    expected, at = "", 0
    for edit in edits:
        expected += text[at : edit.span[0]] + "".join(piece for _, piece in edit.inserts)
        at = edit.span[1]
    expected += text[at:]
    assert "".join(patched(text, edits).split()) == "".join(expected.split())


@given(_edits())
def test_lines_without_a_cut_keep_their_bytes(made: tuple[str, list[Edit]]) -> None:
    text, edits = made
    new = patched(text, edits)
    first = min((e.span[0] for e in edits), default=len(text))
    last = max((e.span[1] for e in edits), default=0)
    assert new.startswith(text[: text.rfind("\n", 0, first) + 1])
    if edits and "\n" in text[last:]:
        assert new.endswith(text[text.index("\n", last) + 1 :])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_what_stands_around_a_query_stays_and_a_second_run_changes_nothing(seed: int, wide: bool) -> None:
    query = (WideGenerator if wide else Generator)(seed).query()
    old = _HEAD + query.replace("\n", "\r\n") + _TAIL
    found = specialise(old, lookup, dialect="duckdb")
    assert found.text.startswith(_HEAD)
    assert found.text.endswith(_TAIL)
    again = specialise(found.text, lookup, dialect="duckdb")
    assert again.cuts == ()
    assert again.text == found.text


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_file_on_which_no_fact_bears_comes_back_as_it_was(seed: int) -> None:
    old = _HEAD + WideGenerator(seed).query() + _TAIL
    assert specialise(old, lambda name: None, dialect="duckdb").text == old
