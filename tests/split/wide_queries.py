"""Random queries with more of the language: windows, stars, USING, grouping sets, QUALIFY, VALUES, subqueries."""

from __future__ import annotations

import re

from tests.split.queries import BRANDS, COLUMNS, GONE, Generator

Sources = list[tuple[str, dict[str, str]]]
Known = dict[str, dict[str, str]]


class WideGenerator(Generator):
    """Writes what `Generator` writes, with rarer clauses in between."""

    def _select(self, columns: dict[str, str], known: Known, depth: int) -> str:
        rng = self.rng
        form = rng.random()
        if depth < 1 or form < 0.55:
            return self._loosened(super()._select(columns, known, depth))
        inner = super()._select(columns, known, depth - 1)
        names = list(columns)
        alias = self._name("w")
        if form < 0.62:
            return f"(select * from (\n{inner}\n) as {alias} order by all limit {rng.choice((1, 3, 50))})"
        if form < 0.68:
            key = rng.choice(names)
            return f"(select distinct on ({key}) * from (\n{inner}\n) as {alias} order by all)"
        if form < 0.76:
            scope: Sources = [(alias, columns)]
            over = f"over (partition by {rng.choice(names)} order by {', '.join(names)})"
            test = rng.choice((f"rank() {over} = 1", f"{self._leaf(scope)} and rank() {over} < 3",
                               f"case when {self._leaf(scope)} then rank() {over} else 1 end = 1"))  # fmt: skip
            return f"select * from (\n{inner}\n) as {alias} qualify {test}"
        if form < 0.82:
            items = [f"{alias}.{n}" for n in names[:2]]
            rest = [f"max({self._typed(columns[n], [(alias, columns)], known, 0)}) as {n}" for n in names[2:]]
            how = rng.choice(("group by all", "group by rollup (1, 2)", "group by cube (1, 2)"))
            return f"select {', '.join([*items, *rest])} from (\n{inner}\n) as {alias} {how}"
        if form < 0.9:
            place = rng.randrange(len(names))
            changed = self._typed(columns[names[place]], [(alias, columns)], known, 0)
            return f"select * replace ({changed} as {names[place]}) from (\n{inner}\n) as {alias}"
        last, condition = names[-1], self._truth([(alias, columns)], known, 1)
        return f"select * exclude ({last}), {last} from (\n{inner}\n) as {alias} where {condition}"

    def _loosened(self, text: str) -> str:
        """The same without the qualifiers of its only source, sometimes."""
        aliases = set(re.findall(r"\b(t\d+)\.", text))
        if len(aliases) == 1 and "(select" not in text and self.rng.random() < 0.5:
            return re.sub(rf"\b{aliases.pop()}\.", "", text)
        return text

    def _source(self, scope: Sources, known: Known, depth: int) -> str:
        rng = self.rng
        form = rng.random()
        if form < 0.07:
            alias = self._name("t")
            scope.append((alias, {"id": "int", "brand": "text"}))
            return f"(values (1, 'Ent'), (2, 'Alpha'), (null, null)) as {alias}(id, brand)"
        if form < 0.14:
            table = rng.choice(list(COLUMNS))
            alias = self._name("t")
            scope.append((alias, COLUMNS[table]))
            return f"(select * from {table}) as {alias}"
        return super()._source(scope, known, depth)

    def _typed(self, kind: str, scope: Sources, known: Known, depth: int, *, window: bool = False) -> str:
        rng = self.rng
        form = rng.random()
        column = self._column((kind,), scope)
        if window and form < 0.06 and column:
            keys = ", ".join(f"{alias}.{c}" for alias, columns in scope for c in columns)
            argument = rng.choice((column, f"case when {self._leaf(scope)} then {self._plain(kind, scope)} end"))
            name = rng.choice(("lag({})", "lead({})", "first_value({})", "last_value({})"))
            return f"{name.format(argument)} over (order by {keys})"
        if form < 0.12:
            return f"if({self._leaf(scope)}, {self._plain(kind, scope)}, {self._plain(kind, scope)})"
        if form < 0.17:
            return f"nullif({self._plain(kind, scope)}, {self._plain(kind, scope)})"
        if form < 0.22:
            parts = [self._plain(kind, scope), f"case when {self._leaf(scope)} then {self._plain(kind, scope)} end"]
            return f"coalesce({', '.join([*parts, self._plain(kind, scope)])})"
        if form < 0.27 and kind in ("text", "brand"):
            inner = self._typed(kind, scope, known, 0)
            arms = " ".join(f"when {rng.choice([*BRANDS, *GONE])!r} then {self._plain(kind, scope)}" for _ in "ab")
            return f"case {inner} {arms} else {self._plain(kind, scope)} end"
        if window and form < 0.34:
            own: Sources = []
            source = super()._source(own, known, 0)
            picked = self._column((kind,), own)
            if picked:
                return f"(select max({picked}) from {source} where {self._truth([*own, *scope], known, 0)})"
        return super()._typed(kind, scope, known, depth, window=window)
