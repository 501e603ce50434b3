"""Random queries, old and new, over Commercial-only rows in DuckDB: the same rows, always."""

from __future__ import annotations

import os
import random
from collections import Counter

import duckdb
import pytest

from split.engine import specialise
from tests.split.queries import COLUMNS, TYPES, Generator, lookup, rows

FIXED = range(120)
ROTATING = int(os.environ.get("MGDW_SEED", random.SystemRandom().randrange(10**6, 10**9)))
"""Printed with a failure; MGDW_SEED repeats it."""
_PER_TEST = 20
_REFUSED_BY_DUCKDB = ("GROUP BY clause cannot contain aggregates",)


class Differential:
    """One query against several sets of rows."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.old = Generator(seed).query()

    def check(self, data_sets: int = 4) -> int:
        """Compare; returns the number of cuts, -1 for a query that DuckDB does not take."""
        with duckdb.connect() as connection:
            self._fill(connection, 0)
            try:
                connection.execute(self.old)
            except duckdb.BinderException as error:
                if not any(known in str(error) for known in _REFUSED_BY_DUCKDB):
                    raise
                return -1
            found = specialise(self.old, lookup, dialect="duckdb")
            for data_set in range(data_sets):
                self._fill(connection, data_set)
                before = self._rows(connection, self.old)
                assert self._rows(connection, found.text) == before, f"seed {self.seed}, rows {data_set}"
                if found.result.empty is not None:
                    assert not before, f"seed {self.seed}: called empty"
        again = specialise(found.text, lookup, dialect="duckdb")
        assert not again.cuts, f"seed {self.seed}: a second run cuts more"
        return len(found.cuts)

    def _rows(self, connection: duckdb.DuckDBPyConnection, sql: str) -> Counter[str]:
        return Counter(map(repr, connection.execute(sql).fetchall()))

    def _fill(self, connection: duckdb.DuckDBPyConnection, data_set: int) -> None:
        rng = random.Random(self.seed * 100 + data_set)
        for table, columns in COLUMNS.items():
            connection.execute(
                f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{c} {TYPES[k]}' for c, k in columns.items())})"
            )
            if made := rows(table, rng):
                connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", made)


@pytest.mark.parametrize("start", range(FIXED.start, FIXED.stop, _PER_TEST))
def test_random_queries_give_the_same_rows(start: int) -> None:
    cuts = [Differential(seed).check() for seed in range(start, start + _PER_TEST)]
    assert sum(c for c in cuts if c > 0) > 0


def test_other_random_queries_each_time() -> None:
    for seed in range(ROTATING, ROTATING + _PER_TEST):
        Differential(seed).check()


@pytest.mark.slow
@pytest.mark.parametrize("start", range(10_000, 12_000, 100))
def test_thousands_of_random_queries(start: int) -> None:
    for seed in range(start, start + 100):
        Differential(seed).check()
