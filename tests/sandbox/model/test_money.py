"""Cents are exact."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sandbox.model.arrow import MONEY_TYPE, money, number
from sandbox.model.money import monthly, rounded, yearly

CENT = Decimal("0.01")


@given(st.integers(-(10**12), 10**12), st.sampled_from([3, 100, 10_000]))
def test_halves_are_rounded_away_from_zero(numerator: int, denominator: int) -> None:
    exact = (Decimal(numerator) / denominator).quantize(Decimal(1), ROUND_HALF_UP)
    assert int(rounded(np.array([numerator]), denominator)[0]) == int(exact)


@given(st.integers(1, 10**9), st.integers(1, 10**8))
def test_a_month_and_a_year_are_quantity_times_price_to_the_cent(quantity: int, unit: int) -> None:
    price = Decimal(quantity).scaleb(-2) * Decimal(unit).scaleb(-4)
    assert Decimal(int(monthly(quantity, unit))).scaleb(-2) == price.quantize(CENT, ROUND_HALF_UP)
    assert Decimal(int(yearly(quantity, unit))).scaleb(-2) == (price * 12).quantize(CENT, ROUND_HALF_UP)


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1))
def test_money_columns_keep_every_cent(cents: list[int]) -> None:
    column = money(np.array(cents))
    assert column.type == MONEY_TYPE
    assert column.to_pylist() == [Decimal(c).scaleb(-2) for c in cents]


def test_missing_numbers_are_null() -> None:
    assert number(np.array([15, 20]), 1, np.array([False, True])).to_pylist() == [Decimal("1.500000000"), None]
