"""Random queries over a small mixed schema, with literals of both segments in every kind of place."""

from __future__ import annotations

import random
from collections.abc import Mapping

import duckdb

from split.facts import ColumnFacts, Facts, TableFacts
from split.sql.engine import Lookup, base_relation
from split.sql.scope import Relation
from split.sql.types import type_named

BRANDS = ("Alpha", "Beta")
GONE = ("Ent", "Fed")
FACTS = Facts(
    tables={
        "orders": TableFacts(columns={"brand": ColumnFacts(commercial=BRANDS, enterprise=GONE)}),
        "accounts": TableFacts(columns={"brand": ColumnFacts(commercial=BRANDS, enterprise=GONE, nullable=False)}),
        "brands": TableFacts(
            columns={
                "brand": ColumnFacts(commercial=BRANDS, enterprise=GONE, nullable=False),
                "segment": ColumnFacts(commercial=("Commercial",), enterprise=("Enterprise",)),
                "is_ent": ColumnFacts(commercial=(False,), enterprise=(True,), nullable=False),
            }
        ),
        "contracts": TableFacts(only="enterprise"),
    }
)
COLUMNS: dict[str, dict[str, str]] = {
    "orders": {"id": "int", "brand": "brand", "amt": "int", "region": "text"},
    "accounts": {"id": "int", "brand": "brand", "name": "text", "score": "int"},
    "brands": {"brand": "brand", "segment": "segment", "is_ent": "bool", "rank": "int"},
    "contracts": {"id": "int", "brand": "brand", "amt": "int", "note": "text"},
    "regions": {"region": "text", "weight": "int"},
}
TYPES = {"int": "INTEGER", "brand": "VARCHAR", "text": "VARCHAR", "segment": "VARCHAR", "bool": "BOOLEAN"}
VALUES: dict[str, tuple[object, ...]] = {
    "text": ("north", "south", "Alpha", ""),
    "int": (0, 1, 2, 3, 10),
}


def lookup(name: str) -> Relation | None:
    """What the facts say of a table."""
    return base_relation(name, FACTS, list(COLUMNS[name]) if name in COLUMNS else None)


def typed(types: Mapping[str, str], dialect: str) -> Lookup:
    """The same where the schema tells the types, by their names in a dialect."""

    def look(name: str) -> Relation | None:
        known = {column: type_named(types[kind], dialect) for column, kind in COLUMNS.get(name, {}).items()}
        named = {column: type_ for column, type_ in known.items() if type_ is not None}
        return base_relation(name, FACTS, list(COLUMNS[name]) if name in COLUMNS else None, named)

    return look


def rows(table: str, rng: random.Random) -> list[tuple[object, ...]]:
    """Commercial-only rows of a table: few, with NULLs and repeats."""
    facts = FACTS.of(table)
    if facts is not None and facts.only == "enterprise":
        return []
    if table == "brands":
        return [(b, rng.choice(("Commercial", None)), False, i) for i, b in enumerate(BRANDS)]
    made: list[tuple[object, ...]] = []
    for _ in range(rng.choice((0, 1, 4, 9))):
        row: list[object] = []
        for column, kind in COLUMNS[table].items():
            known = facts.columns.get(column) if facts is not None else None
            if known is not None:
                row.append(None if known.nullable and rng.random() < 0.25 else rng.choice(known.commercial))
            else:
                row.append(None if rng.random() < 0.2 else rng.choice(VALUES["text" if kind == "brand" else kind]))
        made.append(tuple(row))
    return made


def fill(connection: duckdb.DuckDBPyConnection, rng: random.Random) -> None:
    """Make every table anew, with Commercial rows."""
    for table, columns in COLUMNS.items():
        kinds = ", ".join(f"{column} {TYPES[kind]}" for column, kind in columns.items())
        connection.execute(f"CREATE OR REPLACE TABLE {table} ({kinds})")
        if made := rows(table, rng):
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", made)


class Generator:
    """Writes one query at a time; the same seed writes the same query."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._names = 0

    def query(self) -> str:
        """A whole query, perhaps with CTEs."""
        rng = self.rng
        known = dict(COLUMNS)
        ctes: list[str] = []
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            name = self._name("c")
            columns = {"k": "int", "b": "brand", "v": "int", "s": rng.choice(("text", "segment"))}
            ctes.append(f"{name} as (\n  {self._union(columns, known, 2)}\n)")
            known[name] = columns
        shape = {"k": "int", "b": "brand", "v": "int", "s": "text", "f": "bool"}
        body = self._union(shape, known, 3)
        return ("with " + ",\n".join(ctes) + "\n" if ctes else "") + body

    def _union(self, columns: dict[str, str], known: dict[str, dict[str, str]], depth: int) -> str:
        parts = [self._select(columns, known, depth)]
        while self.rng.random() < 0.25:
            word = self.rng.choice(("union all", "union all", "union all", "union", "except", "intersect"))
            parts += [word, self._select(columns, known, depth)]
        return "\n".join(parts)

    def _select(self, columns: dict[str, str], known: dict[str, dict[str, str]], depth: int) -> str:
        rng = self.rng
        scope: list[tuple[str, dict[str, str]]] = []
        text = f"from {self._source(scope, known, depth)}"
        while rng.random() < 0.45 and len(scope) < 3:
            kind = rng.choice(("join", "left join", "left join", "right join", "full join", "cross join"))
            source = self._source(scope, known, depth)
            on = "" if kind == "cross join" else f" on {self._join_condition(scope, depth)}"
            text += f"\n{kind} {source}{on}"
        if rng.random() < 0.65:
            text += f"\nwhere {self._truth(scope, known, depth)}"
        form = rng.random()
        if form < 0.22:
            return self._grouped(columns, scope, known, depth, text)
        if form < 0.28:
            items = [f"{self._aggregate(k, scope, known, depth)} as {n}" for n, k in columns.items()]
            having = f"\nhaving {self._aggregate('int', scope, known, depth)} > 0" if rng.random() < 0.3 else ""
            return f"select {', '.join(items)}\n{text}{having}"
        items = [f"{self._typed(k, scope, known, depth, window=True)} as {n}" for n, k in columns.items()]
        distinct = "distinct " if rng.random() < 0.12 else ""
        return f"select {distinct}{', '.join(items)}\n{text}"

    def _grouped(
        self,
        columns: dict[str, str],
        scope: list[tuple[str, dict[str, str]]],
        known: dict[str, dict[str, str]],
        depth: int,
        text: str,
    ) -> str:
        rng = self.rng
        keys = {n for n in columns if rng.random() < 0.5} or {next(iter(columns))}
        items: list[str] = []
        grouped: list[str] = []
        for place, (name, kind) in enumerate(columns.items(), 1):
            if name in keys:
                expression = self._typed(kind, scope, known, 0)
                items.append(f"{expression} as {name}")
                grouped.append(rng.choice((str(place), expression)))
            else:
                items.append(f"{self._aggregate(kind, scope, known, depth)} as {name}")
        if any(g.lstrip("-").isdigit() and not 1 <= int(g) <= len(columns) for g in grouped) or rng.random() < 0.5:
            grouped = [str(i) for i, n in enumerate(columns, 1) if n in keys]
        having = f"\nhaving {self._aggregate('int', scope, known, depth)} >= 1" if rng.random() < 0.3 else ""
        return f"select {', '.join(items)}\n{text}\ngroup by {', '.join(grouped)}{having}"

    def _source(self, scope: list[tuple[str, dict[str, str]]], known: dict[str, dict[str, str]], depth: int) -> str:
        rng = self.rng
        alias = self._name("t")
        if depth > 1 and rng.random() < 0.2:
            columns = {"k": "int", "b": "brand", "v": "int"}
            scope.append((alias, columns))
            return f"(\n  {self._union(columns, known, depth - 1)}\n) as {alias}"
        table = rng.choice(list(known))
        scope.append((alias, known[table]))
        return f"{table} as {alias}"

    def _join_condition(self, scope: list[tuple[str, dict[str, str]]], depth: int) -> str:
        left, right = self.rng.choice(scope[:-1]), scope[-1]
        pairs = [(a, b) for a, ka in left[1].items() for b, kb in right[1].items() if ka == kb]
        text = "1 = 1"
        if pairs:
            a, b = self.rng.choice(pairs)
            text = f"{left[0]}.{a} = {right[0]}.{b}"
        if self.rng.random() < 0.35:
            text += f" and {self._leaf(scope)}"
        return text

    def _column(self, kinds: tuple[str, ...], scope: list[tuple[str, dict[str, str]]]) -> str | None:
        found = [f"{alias}.{c}" for alias, columns in scope for c, k in columns.items() if k in kinds]
        return self.rng.choice(found) if found else None

    def _leaf(self, scope: list[tuple[str, dict[str, str]]]) -> str:
        rng = self.rng
        kind = rng.choice(("brand", "brand", "brand", "segment", "int", "bool", "text"))
        column = self._column((kind,), scope) or self._column(("brand",), scope)
        if column is None:
            return rng.choice(("true", "1 = 2", "null is null"))
        if kind == "int" and (number := self._column(("int",), scope)):
            return rng.choice((f"{number} > 1", f"{number} is null", f"{number} in (1, 2, null)", f"not {number} = 3"))
        if kind == "bool" and (flag := self._column(("bool",), scope)):
            return rng.choice(
                (flag, f"not {flag}", f"{flag} = true", f"{flag} is true", f"{flag} is not true", f"{flag} is not null")
            )
        literals = (*BRANDS, *GONE, *GONE) if column.rpartition(".")[2] != "segment" else ("Commercial", "Enterprise")
        one, two = repr(rng.choice(literals)), repr(rng.choice(literals))
        return rng.choice(
            (
                f"{column} = {one}", f"{column} <> {one}", f"{one} = {column}", f"{column} in ({one}, {two})",
                f"{column} not in ({one}, {two})", f"{column} in ({one}, null)", f"{column} not in ({one}, null)",
                f"{column} like {one[:3]}%'", f"{column} not like {one[:3]}%'", f"lower({column}) = lower({one})",
                f"upper({column}) <> {one.upper()}", f"{column} is null", f"{column} is not null",
                f"coalesce({column}, {two}) = {one}", f"nullif({column}, {one}) <> {two}",
                f"case when {column} = {one} then 1 else 0 end = 1", f"{column} || 'x' = {one[:-1]}x'",
                f"coalesce({column} = {one}, false)", f"({column} = {one}) is true", f"({column} = {one}) is null",
                f"{column} between {one} and {two}", f"{column} is distinct from {one}",
            )
        )  # fmt: skip

    def _truth(self, scope: list[tuple[str, dict[str, str]]], known: dict[str, dict[str, str]], depth: int) -> str:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.4:
            return self._leaf(scope)
        form = rng.random()
        if form < 0.5:
            word = rng.choice((" and ", " or "))
            return "(" + word.join(self._truth(scope, known, depth - 1) for _ in range(rng.choice((2, 2, 3)))) + ")"
        if form < 0.65:
            return f"not ({self._truth(scope, known, depth - 1)})"
        if form < 0.85:
            inner: list[tuple[str, dict[str, str]]] = []
            source = self._source(inner, known, 0)
            own = inner[0][0]
            where = f"where {self._truth([*inner, *scope], known, 0)}" if rng.random() < 0.8 else ""
            if rng.random() < 0.5:
                return f"{rng.choice(('', 'not '))}exists (select 1 from {source} {where})"
            column, outer = self._column(("brand",), inner), self._column(("brand",), scope)
            if column and outer:
                picked = f"{own}.{column.rpartition('.')[2]}"
                return f"{outer} {rng.choice(('', 'not '))}in (select {picked} from {source} {where})"
        return self._leaf(scope)

    def _typed(
        self,
        kind: str,
        scope: list[tuple[str, dict[str, str]]],
        known: dict[str, dict[str, str]],
        depth: int,
        *,
        window: bool = False,
    ) -> str:
        rng = self.rng
        column = self._column((kind,) if kind != "text" else ("text", "brand", "segment"), scope)
        if window and rng.random() < 0.12:
            over = f"over (partition by {self._column(('brand', 'text', 'segment', 'int'), scope) or '1'})"
            if kind == "int":
                inner = self._typed("int", scope, known, 0)
                return f"{rng.choice(('sum', 'max', 'count'))}({inner}) {over}"
            if column:
                return f"max({column}) {over}"
        form = rng.random()
        if form < 0.4 and column:
            return column
        if form < 0.7:
            branches = [
                f"when {self._truth(scope, known, min(depth, 1))} then {self._plain(kind, scope)}"
                for _ in range(rng.choice((1, 2, 3)))
            ]
            other = f" else {self._plain(kind, scope)}" if rng.random() < 0.7 else ""
            brand = self._column(("brand",), scope)
            if brand and rng.random() < 0.25:
                branches = [f"when {rng.choice([*BRANDS, *GONE])!r} then {self._plain(kind, scope)}" for _ in branches]
                return f"case {brand} {' '.join(branches)}{other} end"
            return f"case {' '.join(branches)}{other} end"
        if form < 0.8:
            return f"coalesce({self._plain(kind, scope)}, {self._plain(kind, scope)})"
        if kind == "bool":
            return f"({self._truth(scope, known, 1)})"
        if kind == "int" and form < 0.9:
            return f"{self._plain('int', scope)} {rng.choice('+-*')} {self._plain('int', scope)}"
        return self._plain(kind, scope)

    def _plain(self, kind: str, scope: list[tuple[str, dict[str, str]]]) -> str:
        rng = self.rng
        column = self._column((kind,), scope)
        if column and rng.random() < 0.5:
            return column
        if kind == "int":
            return str(rng.choice((0, 1, 2, 100)))
        if kind == "bool":
            return rng.choice(("true", "false", f"({self._leaf(scope)})"))
        if kind == "segment":
            return rng.choice(("'Commercial'", "'Enterprise'", "null"))
        return repr(rng.choice((*BRANDS, *GONE, "x")))

    def _aggregate(
        self, kind: str, scope: list[tuple[str, dict[str, str]]], known: dict[str, dict[str, str]], depth: int
    ) -> str:
        rng = self.rng
        inner = self._typed(kind, scope, known, 0)
        if kind != "int":
            return f"{'bool_or' if kind == 'bool' else 'max'}({inner})"
        condition = self._truth(scope, known, 1)
        return rng.choice(
            (
                f"sum({inner})", f"count({inner})", "count(*)", f"max({inner})", f"coalesce(sum({inner}), 0)",
                f"sum(case when {condition} then {inner} end)", f"sum(case when {condition} then {inner} else 0 end)",
                f"count(case when {condition} then 1 end)", f"count(*) filter (where {condition})",
                f"count(distinct {self._column(('brand',), scope) or '1'})",
            )
        )  # fmt: skip

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"
