"""Two tables compared in DuckDB: schema, row count, keys, aggregates and every row as often as it occurs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from split.verify.data_set import quoted

_FLOATS = ("DOUBLE", "FLOAT", "REAL")
_MOST_EXAMPLES = 5
_MOST_PAIRED = 20_000
"""Rows that differ and are compared one by one for rounding; beyond that they differ."""

Columns = Mapping[str, str]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rounding:
    """How far two floats may be apart: the order in which they were added up. Everything else has to be the same."""

    relative: float = 1e-9
    absolute: float = 1e-9

    def same(self, one: float | None, two: float | None) -> bool:
        """Whether two floats are the same but for rounding."""
        if one is None or two is None:
            return one is two
        if math.isnan(one) or math.isnan(two):
            return math.isnan(one) and math.isnan(two)
        return math.isclose(one, two, rel_tol=self.relative, abs_tol=self.absolute)


@dataclass(frozen=True)
class Difference:
    """What two tables differ in; each entry is a sentence.

    Attributes:
        rows: of the old and the new table.
        rounded: rows that are the same but for rounding.
        only_old, only_new: rows without a counterpart, with their columns.
        examples: some of them.
    """

    rows: tuple[int, int]
    schema: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    rounded: int = 0
    only_old: int = 0
    only_new: int = 0
    examples: tuple[str, ...] = ()

    @property
    def same_rows(self) -> bool:
        """Whether all rows have a counterpart."""
        return not self.only_old and not self.only_new

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything that differs."""
        found = list(self.schema)
        if self.rows[0] != self.rows[1]:
            found.append(f"{self.rows[0]} rows in the old table, {self.rows[1]} in the new one")
        found += self.keys
        found += self.aggregates
        if not self.same_rows:
            found.append(f"{self.only_old} rows are only in the old table, {self.only_new} only in the new one")
        return tuple(found)


@dataclass(frozen=True)
class Side:
    """One of the two: a relation that DuckDB reads, and its columns."""

    relation: str
    columns: Columns


def compare(
    connection: duckdb.DuckDBPyConnection,
    old: Side,
    new: Side,
    *,
    key: Sequence[str] = (),
    dropped: Sequence[str] = (),
    unread: frozenset[str] = frozenset(),
    rounding: Rounding | None = None,
) -> Difference:
    """Compare two tables.

    Args:
        key: the columns that tell rows apart; all of them where none are given.
        dropped: columns that are meant to be gone from the new table.
        unread: columns, in lower case, of which only the type is compared.
    """
    gone = {name.lower() for name in dropped}
    kept = {c: k for c, k in old.columns.items() if c.lower() not in gone}
    schema = _schema(kept, new.columns)
    types = {c.lower(): k for c, k in new.columns.items()}
    shared = [c for c in kept if c.lower() in types and c.lower() not in unread]
    rows = _count(connection, old.relation), _count(connection, new.relation)
    if not shared:
        return Difference(rows, schema, only_old=max(rows[0] - rows[1], 0), only_new=max(rows[1] - rows[0], 0))
    floats = {c for c in shared if kept[c] in _FLOATS and types[c.lower()] in _FLOATS}
    left = _only(connection, old.relation, new.relation, shared)
    right = _only(connection, new.relation, old.relation, shared)
    rounded = 0
    if floats and left and len(left) + len(right) <= _MOST_PAIRED:
        left, right, rounded = _paired(left, right, [c in floats for c in shared], rounding or Rounding())
    keys = tuple(c for c in shared if c.lower() in {k.lower() for k in key}) or tuple(shared)
    differs = bool(left or right)
    return Difference(
        rows,
        schema,
        _keys(left, right, shared, keys) if differs else (),
        _aggregates(connection, (old, new), shared, floats, rounding or Rounding()) if differs else (),
        rounded,
        len(left),
        len(right),
        tuple(_examples("old", left, shared) + _examples("new", right, shared)),
    )


def _schema(old: Columns, new: Columns) -> tuple[str, ...]:
    names = {c.lower(): k for c, k in new.items()}
    known = {c.lower() for c in old}
    found = [f"column {c} is not in the new table" for c in old if c.lower() not in names]
    found += [f"column {c} is not in the old table" for c in new if c.lower() not in known]
    found += [
        f"column {c} was {k} and is {names[c.lower()]}"
        for c, k in old.items() if c.lower() in names and names[c.lower()] != k
    ]  # fmt: skip
    both = [c.lower() for c in old if c.lower() in names], [c.lower() for c in new if c.lower() in known]
    if both[0] != both[1]:
        found.append(f"the columns were in the order {', '.join(both[0])} and are in the order {', '.join(both[1])}")
    return tuple(found)


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return _one(connection, f"SELECT count(*) FROM {relation}")[0]  # noqa: S608 - relations are quoted by the caller


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Row:
    found = connection.execute(query).fetchone()
    assert found is not None
    return found


def _only(connection: duckdb.DuckDBPyConnection, one: str, two: str, columns: Sequence[str]) -> list[Row]:
    """Rows of `one` without a counterpart in `two`, each as often as one is missing."""
    listed = ", ".join(quoted(c) for c in columns)
    query = f"SELECT {listed} FROM {one} EXCEPT ALL SELECT {listed} FROM {two}"  # noqa: S608
    return connection.execute(query).fetchall()


def _paired(left: list[Row], right: list[Row], is_float: list[bool], rounding: Rounding) -> Any:
    """What is left of both sides when rows that are the same but for rounding are taken out, and how many those are."""

    def exact(row: Row) -> tuple[str, ...]:
        return tuple(repr(v) for v, f in zip(row, is_float, strict=True) if not f)

    def inexact(row: Row) -> list[float | None]:
        return [v for v, f in zip(row, is_float, strict=True) if f]

    waiting: dict[tuple[str, ...], list[Row]] = {}
    for row in right:
        waiting.setdefault(exact(row), []).append(row)
    alone: list[Row] = []
    for row in left:
        others = waiting.get(exact(row), [])
        fits = (
            place for place, other in enumerate(others)
            if all(rounding.same(a, b) for a, b in zip(inexact(row), inexact(other), strict=True))
        )  # fmt: skip
        place = next(fits, None)
        if place is None:
            alone.append(row)
        else:
            others.pop(place)
    return alone, [row for rows in waiting.values() for row in rows], len(left) - len(alone)


def _keys(left: list[Row], right: list[Row], columns: Sequence[str], key: Sequence[str]) -> tuple[str, ...]:
    """Which keys are missing, new, or have another row."""
    places = [columns.index(k) for k in key]
    ours, theirs = (Counter(repr(tuple(row[p] for p in places)) for row in rows) for rows in (left, right))
    listed = ", ".join(key)
    found: list[str] = []
    for missing, where in ((ours - theirs, "new"), (theirs - ours, "old")):
        if missing:
            shown = ", ".join(list(missing)[:_MOST_EXAMPLES])
            found.append(f"{missing.total()} rows by key ({listed}) are not in the {where} table, such as {shown}")
    if changed := (ours & theirs).total():
        found.append(f"{changed} rows have the same key ({listed}) and other values")
    return tuple(found)


def _aggregates(
    connection: duckdb.DuckDBPyConnection,
    sides: tuple[Side, Side],
    columns: Sequence[str],
    floats: set[str],
    rounding: Rounding,
) -> tuple[str, ...]:
    old = sides[0]
    found: list[str] = []
    for column in columns:
        name, nested = quoted(column), any(mark in old.columns[column] for mark in ("[", "STRUCT", "MAP"))
        wanted = {"values": f"count({name})", "distinct values": f"count(DISTINCT {name})"}
        if not nested:
            wanted |= {"least": f"min({name})", "greatest": f"max({name})"}
        if column in floats or old.columns[column].startswith(("DECIMAL", "BIGINT", "INTEGER", "HUGEINT")):
            wanted["sum"] = f"sum({name})"
        try:
            select = ", ".join(wanted.values())
            before, after = (_one(connection, f"SELECT {select} FROM {s.relation}") for s in sides)  # noqa: S608
        except duckdb.Error as error:
            found.append(f"{column}: not aggregated in the new table: {str(error).splitlines()[0]}")
            continue
        for what, one, two in zip(wanted, before, after, strict=True):
            close = isinstance(one, float) and isinstance(two, float) and rounding.same(one, two)
            if one != two and not close and not (column in floats and what == "distinct values"):
                found.append(f"{column}: {what} {one} in the old table, {two} in the new one")
    return tuple(found)


def _examples(side: str, rows: list[Row], columns: Sequence[str]) -> list[str]:
    return [
        f"only {side}: " + ", ".join(f"{c}={v!r}" for c, v in zip(columns, row, strict=True))
        for row in sorted(rows, key=repr)[:_MOST_EXAMPLES]
    ]
