"""The business's own time: when it began, its first day, and arithmetic on arrays of dates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Dates = npt.NDArray[np.datetime64]
BUSINESS_START = np.datetime64("2023-07-01", "D")
DAY_ONE = np.datetime64("2026-06-15T06:00:00", "s")
DAY = np.timedelta64(86_400, "s")


def days(count: Any) -> Any:
    """A number (or array of numbers) of days as a duration."""
    return np.asarray(count).astype("m8[D]")


def seconds(count: Any) -> Any:
    """A number (or array of numbers) of seconds as a duration."""
    return np.asarray(count).astype("m8[s]")


def month_of(dates: Any) -> Dates:
    """The first day of each date's month."""
    return np.asarray(dates).astype("M8[M]").astype("M8[D]")


def add_months(dates: Any, months: Any) -> Dates:
    """The same day of a later month, or that month's last day where it has no such day."""
    dates = np.asarray(dates, "M8[D]")
    month = dates.astype("M8[M]")
    day = dates - month.astype("M8[D]")
    target = month + np.asarray(months).astype("m8[M]")
    last = (target + np.timedelta64(1, "M")).astype("M8[D]") - target.astype("M8[D]") - np.timedelta64(1, "D")
    return target.astype("M8[D]") + np.minimum(day, last)


def months_between(first: Any, last: Any) -> npt.NDArray[np.int64]:
    """Whole months from the month of `first` to the month of `last`."""
    return (np.asarray(last).astype("M8[M]") - np.asarray(first).astype("M8[M]")).astype(np.int64)


def at(dates: Any, second_of_day: Any) -> Dates:
    """Stamps on the given dates."""
    return np.asarray(dates, "M8[D]").astype("M8[s]") + seconds(second_of_day)
