"""The company's own books: every business event is posted here when it happens, whatever the systems show later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from sandbox.model.brands import BRANDS, CURRENCIES
from sandbox.model.calendar import BUSINESS_START, month_of, months_between

MONEY_BOOKS = ("arr", "bookings", "invoiced", "invoiced_net", "collected")
Key = tuple[str, date, str]


@dataclass(frozen=True)
class Books:
    """What the business says of itself. Keys are (brand name, first day of month, currency); absent means nothing.

    `arr` is the annual recurring revenue at the month's end, in the current month on `as_of`; the others are sums
    over the month. `usage` sums the latest delivery of every usage file by (brand name, month).
    """

    as_of: date
    arr: dict[Key, Decimal] = field(default_factory=dict)
    bookings: dict[Key, Decimal] = field(default_factory=dict)
    invoiced: dict[Key, Decimal] = field(default_factory=dict)
    invoiced_net: dict[Key, Decimal] = field(default_factory=dict)
    collected: dict[Key, Decimal] = field(default_factory=dict)
    usage: dict[tuple[str, date], dict[str, int]] = field(default_factory=dict)


class Journal:
    """Entries of the books: changes in cents, each on a date."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[npt.NDArray[Any], ...]]] = {book: [] for book in MONEY_BOOKS}
        self._usage: dict[tuple[int, date], dict[str, int]] = {}

    def post(self, book: str, dates: Any, brands: Any, currencies: Any, cents: Any) -> None:
        """Add entries (arrays or scalars of equal length); negative cents take back."""
        columns = np.broadcast_arrays(
            np.asarray(dates, "M8[D]"), np.asarray(brands), np.asarray(currencies), np.asarray(cents)
        )
        self._entries[book].append(tuple(np.atleast_1d(c).copy() for c in columns))

    def post_usage(self, brand: int, month: date, measure: str, change: int) -> None:
        """Add to (or take from) one measure of a brand's month."""
        measures = self._usage.setdefault((brand, month), {})
        measures[measure] = measures.get(measure, 0) + change

    def books(self, as_of: np.datetime64) -> Books:
        """The books as they stand on `as_of`."""
        day = as_of.astype("M8[D]")
        books = Books(day.astype(date))
        for book in MONEY_BOOKS:
            getattr(books, book).update(self._balances(book, day, running=book == "arr"))
        for (brand, month), measures in sorted(self._usage.items()):
            books.usage[BRANDS[brand].name, month] = dict(measures)
        return books

    def _balances(self, book: str, as_of: np.datetime64, *, running: bool) -> dict[Key, Decimal]:
        if not self._entries[book]:
            return {}
        dates, brands, currencies, cents = (np.concatenate(c) for c in zip(*self._entries[book], strict=True))
        known = dates <= as_of
        months = int(months_between(BUSINESS_START, as_of)) + 1
        totals = np.zeros((len(BRANDS), len(CURRENCIES), months), np.int64)
        used = np.zeros_like(totals, bool)
        at = (brands[known].astype(int), currencies[known].astype(int), months_between(BUSINESS_START, dates[known]))
        np.add.at(totals, at, cents[known].astype(np.int64))
        used[at] = True
        if running:
            totals, used = totals.cumsum(axis=2), np.maximum.accumulate(used, axis=2)
        return {
            (BRANDS[b].name, _month(m), CURRENCIES[c]): Decimal(int(totals[b, c, m])).scaleb(-2)
            for b, c, m in zip(*np.nonzero(used), strict=True)
        }


def _month(index: int) -> date:
    first = month_of(BUSINESS_START).astype("M8[M]") + np.timedelta64(int(index), "M")
    return first.astype("M8[D]").astype(date)
