"""Months and stamps as the business counts them."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.model.calendar import add_months, at, month_of, months_between


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ("2024-01-31", 1, "2024-02-29"),
        ("2025-01-31", 1, "2025-02-28"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2023-12-15", 1, "2024-01-15"),
        ("2024-03-31", 0, "2024-03-31"),
        ("2023-07-01", 36, "2026-07-01"),
    ],
)
def test_months_later_is_the_same_day_or_the_months_last(day: str, months: int, later: str) -> None:
    assert add_months(np.array([day], "M8[D]"), months).tolist() == np.array([later], "M8[D]").tolist()


def test_months_between_ignores_the_day() -> None:
    assert months_between(np.datetime64("2023-07-31"), np.datetime64("2024-02-01")) == 7


def test_a_stamp_lies_on_its_date() -> None:
    stamp = at(np.datetime64("2026-06-15"), 6 * 3600)
    assert str(stamp) == "2026-06-15T06:00:00"
    assert str(month_of(stamp)) == "2026-06-01"
