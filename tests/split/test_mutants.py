"""Every rule made unsafe once is noticed: by rows, names or types in DuckDB, or by the text that should have stayed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from split.sql.engine import specialise
from tests.split import test_traps
from tests.split.mutants import MUTANTS, Mutant
from tests.split.queries import Generator, fill, lookup
from tests.split.test_random_queries import check
from tests.split.test_rules import CASES, KEPT
from tests.split.wide_queries import WideGenerator

_RANDOM = 60


@pytest.fixture(scope="module")
def data_sets() -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """Databases with the same tables and different Commercial rows."""
    connections = [duckdb.connect(config={"threads": 1}) for _ in range(6)]
    for number, connection in enumerate(connections):
        fill(connection, random.Random(number))
    yield connections
    for connection in connections:
        connection.close()


def test_every_mutant_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "split.md").read_text(encoding="utf-8")
    assert [m.naive for m in MUTANTS if f"| {m.naive} |" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.naive)
def test_an_unsafe_rule_is_noticed(
    mutant: Mutant, data_sets: list[duckdb.DuckDBPyConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    assert _caught_by(data_sets) is not None


def _caught_by(data_sets: list[duckdb.DuckDBPyConnection]) -> str | None:
    for name, (old, new) in CASES.items():
        if _fails(lambda old=old: check(old, data_sets, 0)):
            return name
        if specialise(old, lookup, dialect="duckdb").text != (old if new is KEPT else new):
            return name
    for name, old in test_traps.STAYS.items():
        if _fails(lambda old=old: check(old, data_sets, 0)):
            return name
    for name in test_traps.JINJA:
        if any(
            _fails(lambda b=b, name=name: test_traps.test_what_jinja_may_change_is_not_decided(name, b)) for b in (0, 1)
        ):
            return name
    for seed in range(_RANDOM):
        for generator in (Generator, WideGenerator):
            if _fails(lambda g=generator, seed=seed: check(g(seed).query(), data_sets, seed)):
                return f"random query {seed}"
    return None


def _fails(attempt: object) -> bool:
    """Whether a comparison finds something, or the query that is left is none."""
    assert callable(attempt)
    try:
        attempt()
    except (AssertionError, duckdb.Error):
        return True
    return False
