"""Old and new formula on Commercial rows: the same value, TRUE, FALSE and NULL told apart."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split.facts import ColumnFacts
from split.sql.values import declared
from split.tableau.formulas import fold
from split.tableau.grammar import parsed
from tests.split.tableau.evaluator import evaluate
from tests.split.tableau.random_formulas import GONE, KEPT, Formulas, rows

FIELDS = {
    "Brand": declared("orders", "brand", ColumnFacts(commercial=KEPT, enterprise=GONE)),
    "Line": declared("orders", "line", ColumnFacts(commercial=KEPT, enterprise=GONE, nullable=False)),
    "Flag": declared("orders", "flag", ColumnFacts(commercial=(False,), enterprise=(True,), nullable=False)),
}


def check(seed: int, data_sets: int = 4) -> int:
    """Fold one formula and compare; returns the number of cuts."""
    old = Formulas(seed).formula()
    folded = fold(old, FIELDS)
    before, after = parsed(old), parsed(folded.text)
    for number in range(data_sets):
        data = rows(random.Random(f"{seed}.{number}"))
        for row in data:
            try:
                expected = evaluate(before, row, data)
            except TypeError:
                continue  # texts and numbers mixed: Tableau takes no such formula
            found = evaluate(after, row, data)
            assert (type(found), found) == (type(expected), expected), f"seed {seed}: {old} -> {folded.text}: {row}"
    assert not fold(folded.text, FIELDS).cuts, f"seed {seed}: a second run cuts more of {folded.text}"
    return len(folded.cuts)


@pytest.mark.parametrize("start", range(0, 1_000, 250))
def test_a_folded_formula_says_the_same_of_commercial_rows(start: int) -> None:
    assert sum(check(seed) for seed in range(start, start + 250)) > 60


@settings(max_examples=100, deadline=None)
@given(st.integers(10**6, 10**9))
def test_other_random_formulas_each_time(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(10_000, 30_000, 2_000))
def test_twenty_thousand_random_formulas(start: int) -> None:
    for seed in range(start, start + 2_000):
        check(seed)
