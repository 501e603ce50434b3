"""Exact arithmetic on integer cents."""

from __future__ import annotations

from typing import Any

import numpy as np


def rounded(numerator: Any, denominator: int) -> np.ndarray:
    """numerator / denominator, halves away from zero."""
    numerator = np.asarray(numerator, np.int64)
    return np.sign(numerator) * ((2 * np.abs(numerator) + denominator) // (2 * denominator))


def monthly(quantity: Any, unit: Any) -> np.ndarray:
    """Cents a month for a quantity in 1/100 and a unit price in 1/10,000 of the currency unit."""
    return rounded(np.asarray(quantity, np.int64) * np.asarray(unit, np.int64), 10_000)


def yearly(quantity: Any, unit: Any) -> np.ndarray:
    """Cents a year for the same."""
    return rounded(np.asarray(quantity, np.int64) * np.asarray(unit, np.int64) * 12, 10_000)
