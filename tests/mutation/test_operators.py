"""The mutants are what they say."""

from __future__ import annotations

import ast

from tests.mutation import sql
from tests.mutation.operators import mutants

CODE = '''
class Window:
    """A doc text with 1 < 2."""

    def holds(self, at: int = 3) -> bool:
        """Another one."""
        if at < 0:
            raise ValueError(f"{at + 1} is too early")
        return self.lo <= at and at < self.hi
'''


def test_each_mutant_differs_in_one_place_and_is_code() -> None:
    found = mutants(CODE, with_sql=False)
    assert len({m.source for m in found}) == len(found)
    assert all(ast.unparse(ast.parse(m.source)) == m.source for m in found)
    original = ast.unparse(ast.parse(CODE)).splitlines()
    for mutant in found:
        lines = mutant.source.splitlines()
        assert sum(one != other for one, other in zip(original, lines, strict=True)) == 1


def test_comparisons_operands_constants_returns_and_raises_are_changed() -> None:
    assert [m.change for m in mutants(CODE, with_sql=False)] == [
        "3 → 4",
        "if at < 0 → never",
        "at < 0 → at <= 0",
        "0 → 1",
        "raise ValueError(f'{at + 1} is too early') → pass",
        "return self.lo <= at and at < self.hi → return None",
        "self.lo <= at and at < self.hi → at < self.hi",
        "self.lo <= at and at < self.hi → self.lo <= at",
        "self.lo <= at → self.lo < at",
        "at < self.hi → at <= self.hi",
    ]
    assert {m.where for m in mutants(CODE, with_sql=False)} == {"Window.holds"}


def changed(text: str) -> set[str]:
    return {change.text for change in sql.changes(text)}


def test_conditions_of_sql_are_turned_swapped_and_left_out() -> None:
    assert changed("SELECT 1 FROM t WHERE a < {0} AND NOT b") == {
        "SELECT 1 FROM t WHERE a <= {0} AND NOT b",
        "SELECT 1 FROM t WHERE a < {0} AND b",
        "SELECT 1 FROM t WHERE a < {0} OR NOT b",
        "SELECT 1 FROM t WHERE a < {0} ",
        "SELECT 1 FROM t WHERE NOT b",
    }


def test_orders_defaults_and_aggregates_of_sql_are_changed() -> None:
    assert changed("SELECT max(a), coalesce(b, {0}) FROM t ORDER BY c DESC, d") == {
        "SELECT min(a), coalesce(b, {0}) FROM t ORDER BY c DESC, d",
        "SELECT max(a), b FROM t ORDER BY c DESC, d",
        "SELECT max(a), coalesce(b, {0}) FROM t ORDER BY c ASC, d",
        "SELECT max(a), coalesce(b, {0}) FROM t ORDER BY d",
    }


def test_the_and_of_between_belongs_to_it() -> None:
    assert changed("WHERE a BETWEEN 1 AND 2 AND b = t.c") == {
        "WHERE a BETWEEN 1 AND 2 AND b <> t.c",
        "WHERE a BETWEEN 1 AND 2 OR b = t.c",
        "WHERE a BETWEEN 1 AND 2 ",
        "WHERE b = t.c",
    }


def test_what_is_set_is_no_condition() -> None:
    assert changed("UPDATE t SET a = s.b FROM s WHERE t.k = s.k") == {"UPDATE t SET a = s.b FROM s WHERE t.k <> s.k"}


def test_words_that_are_no_sql_stay() -> None:
    assert changed("rows, a lower bound for composite keys") == set()


def test_sql_is_changed_between_embedded_expressions() -> None:
    code = 'def f(a, b):\n    return f"SELECT {a} FROM t WHERE {b} AND c"'
    sources = {m.source for m in mutants(code, with_sql=True)}
    assert "def f(a, b):\n    return f'SELECT {a} FROM t WHERE c'" in sources
    assert "def f(a, b):\n    return f'SELECT {a} FROM t WHERE {b} OR c'" in sources
