"""Random queries, old and new, over Commercial-only rows in DuckDB: the same rows, names and types, always."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator

import duckdb
import pytest

from split.sql.engine import specialise
from tests.split.queries import TYPES, Generator, fill, lookup, typed
from tests.split.wide_queries import WideGenerator

ROTATING = int(os.environ.get("MGDW_SEED", random.SystemRandom().randrange(10**6, 10**9)))
"""Printed with a failure; MGDW_SEED repeats it."""
TYPED = typed(TYPES, "duckdb")
_PER_TEST = 20
_DATA_SETS = 4


@pytest.fixture(scope="module")
def data_sets() -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """Databases with the same tables and different Commercial rows; the first has hardly any."""
    connections = [duckdb.connect(config={"threads": 1}) for _ in range(_DATA_SETS)]
    for number, connection in enumerate(connections):
        fill(connection, random.Random(number))
    yield connections
    for connection in connections:
        connection.close()


def rows(connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> Counter[str]:
    """What the query gives, as a multiset."""
    try:
        return Counter(map(repr, relation.fetchall()))
    except duckdb.InvalidInputException as error:  # valid queries on which the optimizer of DuckDB 2.0.0 fails
        if "BindBuiltinScalarFunction" not in str(error):
            raise
    connection.execute("PRAGMA disable_optimizer")
    try:
        return Counter(map(repr, connection.sql(relation.sql_query()).fetchall()))
    finally:
        connection.execute("PRAGMA enable_optimizer")


def check(old: str, data_sets: list[duckdb.DuckDBPyConnection], seed: int) -> int:
    """Compare old and new; returns the number of cuts, -1 for a query that DuckDB does not take."""
    known = lookup if seed % 2 else TYPED
    found = specialise(old, known, dialect="duckdb")
    for number, connection in enumerate(data_sets):
        try:
            before = connection.sql(old)
            expected = rows(connection, before)
        except (duckdb.BinderException, duckdb.ConversionException, duckdb.InvalidInputException):
            return -1
        after = connection.sql(found.text)
        assert rows(connection, after) == expected, f"seed {seed}, rows {number}"
        assert after.columns == before.columns, f"seed {seed}: other names"
        if after.types != before.types:
            assert any(cut.type_at_risk for cut in found.cuts), f"seed {seed}: a type changed without a word"
        if found.result.empty is not None:
            assert not expected, f"seed {seed}: called empty"
    again = specialise(found.text, known, dialect="duckdb")
    assert not again.cuts, f"seed {seed}: a second run cuts more"
    return len(found.cuts)


@pytest.mark.parametrize("start", range(0, 120, _PER_TEST))
def test_random_queries_give_the_same_rows(start: int, data_sets: list[duckdb.DuckDBPyConnection]) -> None:
    cuts = [check(Generator(seed).query(), data_sets, seed) for seed in range(start, start + _PER_TEST)]
    assert sum(c for c in cuts if c > 0) > 0


@pytest.mark.parametrize("start", range(0, 100, _PER_TEST))
def test_random_queries_with_rarer_clauses(start: int, data_sets: list[duckdb.DuckDBPyConnection]) -> None:
    cuts = [check(WideGenerator(seed).query(), data_sets, seed) for seed in range(start, start + _PER_TEST)]
    assert sum(c >= 0 for c in cuts) > _PER_TEST / 2


def test_other_random_queries_each_time(data_sets: list[duckdb.DuckDBPyConnection]) -> None:
    for seed in range(ROTATING, ROTATING + _PER_TEST):
        check(WideGenerator(seed).query(), data_sets, seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(10_000, 11_000, 100))
def test_thousands_of_random_queries(start: int, data_sets: list[duckdb.DuckDBPyConnection]) -> None:
    for seed in (*range(start, start + 100), *range(ROTATING + start, ROTATING + start + 100)):
        for generator in (Generator, WideGenerator):
            check(generator(seed).query(), data_sets, seed)
