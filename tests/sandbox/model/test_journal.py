"""The books add up what was posted, by brand, month and currency."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np

from sandbox.model.brands import CM, EMMA
from sandbox.model.journal import Journal

AS_OF = np.datetime64("2023-10-10")


def test_recurring_revenue_runs_on_and_the_current_month_ends_today() -> None:
    journal = Journal()
    journal.post(
        "arr", ["2023-07-15", "2023-09-02", "2023-10-10", "2023-10-11"], CM, 0, [120_00, 30_00, -50_00, 999_00]
    )
    months = {month: amount for (_, month, _), amount in journal.books(AS_OF).arr.items()}
    assert months == {
        date(2023, 7, 1): Decimal("120.00"),
        date(2023, 8, 1): Decimal("120.00"),
        date(2023, 9, 1): Decimal("150.00"),
        date(2023, 10, 1): Decimal("100.00"),
    }


def test_flows_stay_in_their_month_and_currencies_apart() -> None:
    journal = Journal()
    journal.post("collected", ["2023-08-01", "2023-08-31", "2023-08-31"], EMMA, [0, 0, 1], [100, 250, 7])
    journal.post("collected", "2023-08-15", EMMA, 0, -50)
    assert journal.books(AS_OF).collected == {
        ("Emma", date(2023, 8, 1), "USD"): Decimal("3.00"),
        ("Emma", date(2023, 8, 1), "GBP"): Decimal("0.07"),
    }


def test_empty_books_are_empty() -> None:
    books = Journal().books(AS_OF)
    assert books.as_of == date(2023, 10, 10)
    assert not (books.arr or books.bookings or books.usage)
