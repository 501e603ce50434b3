"""Input rows made up for a project: every literal that its models compare a column with occurs in that column.

Values of columns with facts are the declared Commercial ones and, in a data set of its own, those that models name
and nobody declared; Enterprise values do not occur in the Commercial data sets, and
each Enterprise row has what tells its segment. The same seed makes the same rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from split.dbt.build import Parsed, Source
from split.facts import ColumnFacts, Facts
from split.verify.column_values import candidates, duckdb_type, guessed_type
from split.verify.data_set import DataSet, Row, Table
from split.verify.lineage import Origin, Uses, read

Schema = Mapping[str, Mapping[str, str]]
"""Types by column of input tables by `source.table`, in the project's dialect; they come before those of the YAML."""

Side = Literal["commercial", "enterprise", "both"]
_IDS = 400
"""Values of a key, so many that every value of every other column of the table finds a row."""
_SHARED = 12
"""How many of them occur where the key is referred to: few, so that several rows refer to the same."""


@dataclass(frozen=True)
class Pair:
    """The same rows: those of Commercial, those of both, those of Enterprise. Tables without a segment are in each."""

    commercial: DataSet
    mixed: DataSet
    enterprise: DataSet


@dataclass(frozen=True)
class _Column:
    """One column to fill.

    Attributes:
        values: what it takes; NULL apart.
        enterprise: what it takes in Enterprise rows; None: the same.
        group: the columns it is joined with; they share their values.
        unique: no value occurs twice.
        by_side: its values tell the segment: they are facts, or keys of rows with facts.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    undeclared: tuple[Any, ...]
    enterprise: tuple[Any, ...] | None
    nullable: bool
    unique: bool
    by_side: bool


def generate(
    parsed: Parsed,
    facts: Facts,
    *,
    seed: int = 0,
    sets: int = 3,
    schema: Schema | None = None,
    dialect: str = "duckdb",
) -> list[Pair]:
    """Data sets for a project, the last of them with undeclared values where the models name some."""
    made = _Generator(parsed, facts, schema or {}, dialect)
    pairs = [made.pair(f"generated {seed}.{n}", random.Random(f"{seed}.{n}"), False) for n in range(sets)]  # noqa: S311
    if made.undeclared:
        pairs.append(made.pair(f"generated {seed}, undeclared values", random.Random(f"{seed}.u"), True))  # noqa: S311
    return pairs


def owned_keys(parsed: Parsed, facts: Facts, uses: Uses) -> frozenset[Origin]:
    """Columns whose value decides of which segment a row is: unique in a table with facts, or joined to such a one."""
    groups = _groups(uses)
    found: set[Origin] = set()
    for source in parsed.sources.values():
        known = facts.of(source.name)
        if known is None or not known.columns:
            continue
        for key in source.keys:
            if len(key) == 1 and (named := key[0].lower()) not in {c.lower() for c in known.columns}:
                origin = source.name.lower(), named
                found |= {origin} | groups.get(origin, frozenset())
    return frozenset(found)


def uses_of(parsed: Parsed, dialect: str) -> Uses:
    """What the models do with the input tables."""
    tables = {s.name: tuple(s.columns) for s in parsed.sources.values()}
    tables.update({n.name: () for n in parsed.nodes.values() if n.resource == "seed"})
    return read({n.name: n.raw for n in parsed.nodes.values() if n.resource != "seed"}, tables, dialect)[1]


class _Generator:
    """What one project's tables are filled with."""

    def __init__(self, parsed: Parsed, facts: Facts, schema: Schema, dialect: str) -> None:
        self._facts = facts
        self._dialect = dialect
        self._schema = {name.lower(): columns for name, columns in schema.items()}
        self._uses = uses_of(parsed, dialect)
        self._groups = _groups(self._uses)
        self._owned = owned_keys(parsed, facts, self._uses)
        self._enterprise = _spellings(facts)
        self.assumed: list[str] = []
        self.undeclared: list[str] = []
        self._sources = tuple(parsed.sources.values())
        self._types = {s.name.lower(): dict(self._typed(s)) for s in self._sources}
        self._columns = {s.name: tuple(self._column(s, c, k) for c, k in self._types[s.name.lower()].items())
                         for s in self._sources}  # fmt: skip

    def pair(self, name: str, rng: random.Random, undeclared: bool) -> Pair:
        """One data set in both forms."""
        commercial: dict[str, Table] = {}
        mixed: dict[str, Table] = {}
        enterprise: dict[str, Table] = {}
        for source in self._sources:
            columns = self._columns[source.name]
            types = {c.name: c.kind for c in columns}
            only = known.only if (known := self._facts.of(source.name)) is not None else None
            sided = any(c.by_side for c in columns)
            ours = [] if only == "enterprise" else _rows(columns, rng, "commercial", undeclared)
            theirs = _rows(columns, rng, "enterprise", False) if only == "enterprise" or (sided and not only) else []
            commercial[source.name] = Table(types, tuple(ours))
            both = [*ours, *theirs]
            rng.shuffle(both)
            mixed[source.name] = Table(types, tuple(both))
            enterprise[source.name] = Table(types, tuple(theirs if sided or only else ours))
        named = tuple(self.undeclared) if undeclared else ()
        assumed = tuple(self.assumed)
        return Pair(
            DataSet(name, commercial, undeclared=named, assumed=assumed),
            DataSet(f"{name}, with Enterprise", mixed, segment="both", undeclared=named, assumed=assumed),
            DataSet(f"{name}, Enterprise alone", enterprise, segment="enterprise", assumed=assumed),
        )

    def _typed(self, source: Source) -> Iterator[tuple[str, str]]:
        """The columns of a table with their DuckDB types: declared, of the facts, or guessed from their use."""
        name = source.name.lower()
        known = self._facts.of(source.name)
        given = self._schema.get(name, {})
        listed = dict.fromkeys([*given, *source.columns])
        seen = {c.lower() for c in listed}
        more = [*(known.columns if known else ()), *sorted(c for t, c in self._uses.named if t == name)]
        for column in more:
            if column.lower() not in seen:
                listed[column] = None
                seen.add(column.lower())
        for column in listed:
            written = given.get(column) or source.columns.get(column)
            kind = duckdb_type(written, self._dialect) if written else None
            if kind is None:
                kind = self._guess((name, column.lower()), known.columns.get(column) if known else None)
                self.assumed.append(f"{source.name}.{column}: {kind}")
            yield column, kind

    def _guess(self, origin: Origin, facts: ColumnFacts | None) -> str:
        if facts is not None:
            first = (*facts.commercial, *facts.enterprise)[0]
            return "BOOLEAN" if isinstance(first, bool) else "BIGINT" if isinstance(first, int) else "VARCHAR"
        return guessed_type(origin[1], self._uses.literals.get(origin, set()), origin in self._uses.numeric)

    def _column(self, source: Source, column: str, kind: str) -> _Column:
        origin = source.name.lower(), column.lower()
        unique = any(len(key) == 1 and key[0].lower() == origin[1] for key in source.keys)
        group = self._groups.get(origin, frozenset({origin}))
        declared = self._declared(origin)
        shared = declared or next((d for o in sorted(group) if (d := self._declared(o)) is not None), None)
        if shared is not None:
            undeclared = tuple(self._undeclared(origin, kind, shared)) if declared else ()
            self.undeclared += [f"{source.name}.{column} = {value!r}" for value in undeclared]
            nullable = shared.nullable and not unique
            return _Column(column, kind, shared.commercial, undeclared, shared.enterprise, nullable, unique, True)
        literals = {c for o in group for c in self._uses.literals.get(o, set())}
        values = candidates(kind, literals)
        if unique or len(group) > 1:
            values = [*values, *_ids(kind)[: None if unique else _SHARED]]
        clean = tuple(v for v in dict.fromkeys(values) if not self._names_enterprise(v))
        return _Column(column, kind, clean, (), None, not unique, unique, origin in self._owned)

    def _declared(self, origin: Origin) -> ColumnFacts | None:
        known = self._facts.of(origin[0])
        return next((f for c, f in known.columns.items() if c.lower() == origin[1]), None) if known else None

    def _undeclared(self, origin: Origin, kind: str, known: ColumnFacts) -> Iterator[Any]:
        """Values that models compare the column with for being the same, and that are in neither set."""
        for compared in sorted(self._uses.literals.get(origin, set()), key=str):
            declared = {str(v) for v in (*known.commercial, *known.enterprise)}
            if compared.exact and kind == "VARCHAR" and compared.is_text and compared.literal not in declared:
                near = {v.strip().lower() for v in declared}
                if compared.literal.strip().lower() not in near and not self._names_enterprise(compared.literal):
                    yield compared.literal

    def _names_enterprise(self, value: Any) -> bool:
        return isinstance(value, str) and value.strip().lower() in self._enterprise


def _rows(columns: Sequence[_Column], rng: random.Random, side: Side, undeclared: bool) -> list[Row]:
    """Rows of one side, in which every value of every column occurs at least once."""
    pools = [_pool(column, side, undeclared, rng) for column in columns]
    most = min((len(p) for c, p in zip(columns, pools, strict=True) if c.unique), default=10_000)
    count = min(max([12, *(len(p) + 2 for p in pools)]), most)
    filled: list[list[Any]] = []
    for column, pool in zip(columns, pools, strict=True):
        if column.unique:
            filled.append(pool[:count])
            continue
        values = [pool[n % len(pool)] if n < len(pool) else rng.choice(pool) for n in range(count)]
        rng.shuffle(values)
        filled.append(values)
    rows: list[Row] = list(zip(*filled, strict=True))
    if rows and not any(column.unique for column in columns):
        rows += rng.choices(rows, k=3)
    return rows


def _pool(column: _Column, side: Side, undeclared: bool, rng: random.Random) -> list[Any]:
    """The values of a column in the rows of one side, NULL among them where it may be."""
    if column.enterprise is not None:
        values = list(column.values if side == "commercial" else column.enterprise)
        values += column.undeclared if undeclared and side == "commercial" else ()
    elif column.by_side or column.unique:
        values = list(column.values)[0 if side == "commercial" else 1 :: 2]
    else:
        values = list(column.values)
    rng.shuffle(values)
    nullable = column.nullable and not (column.by_side and side == "enterprise")
    return [*values, None] if nullable or not values else values


def _ids(kind: str) -> list[Any]:
    """Enough values for a key, the same wherever it is used."""
    name = kind.upper()
    if name == "VARCHAR":
        return [f"k{n}" for n in range(_IDS)]
    return list(range(100, 100 + _IDS)) if name in ("BIGINT", "INTEGER", "HUGEINT", "SMALLINT") else []


def _groups(uses: Uses) -> dict[Origin, frozenset[Origin]]:
    """The columns that are joined with each other, directly or through others."""
    found: dict[Origin, set[Origin]] = {}
    for left, right in uses.joined:
        if len(left) != 1 or len(right) != 1:
            continue
        [one], [two] = left, right
        merged = found.get(one, {one}) | found.get(two, {two})
        found.update(dict.fromkeys(merged, merged))
    return {origin: frozenset(group) for origin, group in found.items()}


def _spellings(facts: Facts) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in facts.enterprise_literals())
