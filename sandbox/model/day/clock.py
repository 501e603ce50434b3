"""The hours of one business day, and what was special about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sandbox.model.calendar import DAY, Dates, at
from sandbox.model.company import Company
from sandbox.model.frame import Frame, Indexes


@dataclass
class Day:
    """One day that is being simulated. `company.now` is the day's end from the beginning on.

    Attributes:
        start: the old now.
        end: the new now; everything that happens is stamped between the two.
        merged: (loser, winner) account rows.
        late: (frame, row) of rows stamped before `start`.
        billed: billing accounts whose documents or contracts changed.
        credited: campaigns whose members or deals changed.
    """

    company: Company
    start: np.datetime64 = field(init=False)
    end: np.datetime64 = field(init=False)
    merged: list[tuple[int, int]] = field(default_factory=list)
    late: list[tuple[str, int]] = field(default_factory=list)
    billed: list[Indexes] = field(default_factory=list)
    credited: list[Indexes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.company.now
        self.end = self.start + DAY
        self.company.now = self.end

    @property
    def date(self) -> np.datetime64:
        """The date of office hours; nights belong to the next."""
        return self.start.astype("M8[D]")

    @property
    def night(self) -> np.datetime64:
        """The date of the nightly bill run: the new today."""
        return self.end.astype("M8[D]")

    def count(self, at_scale_one: float, at_least: int = 1) -> int:
        """How many of something happen in a day."""
        return self.company.count(at_scale_one, at_least)

    def office(self, purpose: str, n: int, first: int = 13, last: int = 23) -> Dates:
        """n ascending stamps in office hours (UTC hours of the day)."""
        drawn = self.company.chance.between(f"{purpose} {self.date}", np.arange(n), first * 3600, last * 3600 - 1)
        return at(self.date, np.sort(drawn))

    def tonight(self, second_of_day: Any) -> Dates:
        """A stamp after midnight."""
        return at(self.night, second_of_day)

    def pick(self, purpose: str, candidates: Indexes, n: int) -> Indexes:
        """At most n of the candidates."""
        return self.company.chance.sample(f"{purpose} {self.date}", np.asarray(candidates, np.int64), n)

    def keys(self, n: int) -> Indexes:
        """Keys for n draws of this day, different from other days'."""
        return np.arange(n, dtype=np.int64) + (int(self.date.astype(int)) << 24)

    def untouched(self, frame: Frame, candidates: Indexes) -> Indexes:
        """Those candidates to which nothing happened today."""
        return np.setdiff1d(candidates, frame.touched())

    def change(self, frame: Frame, rows: Indexes, stamp: Dates | np.datetime64, **values: Any) -> None:
        """A person changes Salesforce rows: both stamps move, never back."""
        stamp = np.broadcast_to(stamp, rows.shape)
        frame.update(
            rows,
            modified=np.maximum(frame["modified"][rows], stamp),
            stamp=np.maximum(frame["stamp"][rows], stamp),
            **values,
        )
