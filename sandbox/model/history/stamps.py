"""When rows of the past were created and last changed."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import Dates, at, days, seconds
from sandbox.model.company import Company
from sandbox.model.frame import Indexes

BULK_UPDATES = 12
"""So many times an administrator updated thousands of rows in the same second."""


def office_hours(company: Company, purpose: str, keys: Indexes, dates: Dates) -> Dates:
    """A stamp on each date between 13:00 and 23:00 UTC, but before now."""
    stamps = at(dates, company.chance.between(f"hour {purpose}", keys, 13 * 3600, 23 * 3600))
    early = at(dates, company.chance.between(f"early {purpose}", keys, 0, 5 * 3600))
    return np.where(stamps > company.now - seconds(3600), np.minimum(early, company.now - seconds(3600)), stamps)


def changed_since(company: Company, purpose: str, keys: Indexes, created: Dates) -> tuple[Dates, Dates]:
    """(last modified by a person, system stamp) of rows created at `created`; bulk updates give many the same stamp."""
    chance = company.chance
    age = (company.now - created).astype(np.int64)
    edited = chance.happens(f"edited {purpose}", keys, 0.6)
    later = (chance.uniform(f"edit age {purpose}", keys) ** 2 * age).astype(np.int64)
    modified = np.where(edited, created + seconds(later), created)
    modified = np.minimum(modified, company.now - seconds(3600 + chance.pick(f"edit jitter {purpose}", keys, 600)))
    modified = np.maximum(modified, created)
    which = chance.pick(f"bulk {purpose}", keys, BULK_UPDATES * 3)
    bulk = at(company.today - days(2 + which * 83), 3 * 3600 + which * 61)
    bulk = np.where((which < BULK_UPDATES) & (bulk > modified), bulk, modified)
    return modified, bulk
