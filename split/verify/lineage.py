"""From which columns of which input tables a model's columns come, and with which literals they are compared.

Coarse on purpose: an output column comes from every column in its expression. It decides which rows are generated and
where a person should look, never what is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from split.sql.mask import JinjaError, Masked, Variant, mask
from split.sql.spans import NotParsed, Tree, parse

Origin = tuple[str, str]
"""Input table (`source.table`, or a seed) and column, both in lower case."""

Origins = frozenset[Origin]
_NONE: Origins = frozenset()
_COMPARING = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif)
_EXACT = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif, exp.In, exp.Case)


@dataclass(frozen=True)
class Compared:
    """A literal that is compared with a column. `exact`: for being the same, not for being more, less or alike."""

    literal: str
    is_text: bool
    exact: bool


@dataclass(frozen=True)
class Outputs:
    """What a model's columns come from.

    Attributes:
        all: every input column that bears on a column.
        direct: the input columns that a column is a copy of.
        stars: input tables of which every column is passed on under its name.
    """

    all: Mapping[str, Origins] = field(default_factory=dict[str, Origins])
    direct: Mapping[str, Origins] = field(default_factory=dict[str, Origins])
    stars: frozenset[str] = frozenset()

    def of(self, column: str, *, direct: bool = False) -> Origins:
        """The origins of a column."""
        name = column.lower()
        found = (self.direct if direct else self.all).get(name)
        return found if found is not None else frozenset((table, name) for table in self.stars)


@dataclass
class Uses:
    """What a project does with its input tables."""

    literals: dict[Origin, set[Compared]] = field(default_factory=dict[Origin, set[Compared]])
    joined: list[tuple[Origins, Origins]] = field(default_factory=list[tuple[Origins, Origins]])
    named: set[Origin] = field(default_factory=set[Origin])
    numeric: set[Origin] = field(default_factory=set[Origin])


Inputs = Callable[[str], Outputs]
"""The columns of a table by its name: a model, or `source.table`."""


class Query:
    """A model's text, parsed with its Jinja masked, and the sources of each of its SELECTs.

    Raises NotParsed or JinjaError.
    """

    def __init__(self, text: str, dialect: str, inputs: Inputs, variant: Variant = Variant.first) -> None:
        self.masked: Masked = mask(text, variant)
        self.tree: Tree = parse(self.masked.sql, dialect)
        self._inputs = inputs
        self._outputs: dict[int, Outputs] = {}
        self._owner: dict[int, Scope] = {}
        try:
            self.scopes: list[Scope] = traverse_scope(self.tree.root)
        except SqlglotError as error:
            raise NotParsed(str(error).splitlines()[0], 0) from error
        for scope in self.scopes:
            for column in scope.columns:
                self._owner.setdefault(id(column), scope)
            self._outputs[id(scope)] = self._of_scope(scope)

    @property
    def outputs(self) -> Outputs:
        """Of the whole query."""
        return self._outputs[id(self.scopes[-1])] if self.scopes else Outputs()

    def outputs_of(self, scope: Scope) -> Outputs:
        """Of one of its scopes."""
        return self._outputs.get(id(scope), Outputs())

    def line(self, node: exp.Expr) -> int:
        """The 1-based line where a node starts; 0 where it is not known."""
        span = self.tree.span(node)
        return self.masked.line(span[0]) if span else 0

    def origins(self, column: exp.Expr, *, direct: bool = False) -> Origins:
        """Where a column comes from."""
        scope = self._owner.get(id(column))
        if scope is None or not isinstance(column, exp.Column):
            return _NONE
        return self.resolve(column, scope, direct=direct)

    def resolve(self, column: exp.Column, scope: Scope, *, direct: bool = False) -> Origins:
        """The same within a scope."""
        seen = self.sources(scope)
        if column.table:
            named = seen.get(column.table.lower())
            return named.of(column.name, direct=direct) if named is not None else _NONE
        found = [outputs.of(column.name, direct=direct) for outputs in seen.values()]
        return frozenset[Origin]().union(*found)

    def sources(self, scope: Scope) -> dict[str, Outputs]:
        """The tables and subqueries of a scope, by alias."""
        found: dict[str, Outputs] = {}
        for alias, (_, source) in scope.selected_sources.items():
            if isinstance(source, Scope):
                found[alias.lower()] = self._outputs.get(id(source), Outputs())
                continue
            relation = self.masked.relations.get(source.name)
            outputs = self._inputs(relation.name if relation is not None else source.name)
            found[(relation.alias if relation is not None and not source.alias else alias).lower()] = outputs
        return found

    def _of_scope(self, scope: Scope) -> Outputs:
        if isinstance(scope.expression, exp.SetOperation):
            branches = [self._outputs.get(id(s), Outputs()) for s in scope.set_operation_scopes]
            return _side_by_side(branches)
        if not isinstance(scope.expression, exp.Select):
            return Outputs()
        everything: dict[str, Origins] = {}
        direct: dict[str, Origins] = {}
        stars: set[str] = set()
        seen = self.sources(scope)
        for projection in scope.expression.expressions:
            if projection.is_star:
                table = projection.table.lower() if isinstance(projection, exp.Column) else ""
                for alias, outputs in seen.items():
                    if not table or alias == table:
                        everything.update(outputs.all)
                        direct.update(outputs.direct)
                        stars |= outputs.stars
                continue
            name = projection.alias_or_name.lower()
            inner = projection.unalias()
            columns = list(inner.find_all(exp.Column))
            origins = (self.resolve(c, self._owner.get(id(c), scope)) for c in columns)
            everything[name] = frozenset[Origin]().union(*origins)
            direct[name] = self.resolve(inner, scope, direct=True) if isinstance(inner, exp.Column) else _NONE
        return Outputs(everything, direct, frozenset(stars))


def _side_by_side(branches: list[Outputs]) -> Outputs:
    if not branches:
        return Outputs()
    names = list(branches[0].all)
    stars = frozenset[str]().union(*(b.stars for b in branches))
    columns = [list(zip(b.all.values(), b.direct.values(), strict=True)) for b in branches]
    if stars or any(len(c) != len(names) for c in columns):
        merged = {n: frozenset[Origin]().union(*(b.of(n) for b in branches)) for b in branches for n in b.all}
        direct = {n: frozenset[Origin]().union(*(b.of(n, direct=True) for b in branches)) for n in merged}
        return Outputs(merged, direct, stars)
    return Outputs(
        {n: frozenset[Origin]().union(*(c[i][0] for c in columns)) for i, n in enumerate(names)},
        {n: frozenset[Origin]().union(*(c[i][1] for c in columns)) for i, n in enumerate(names)},
    )


def read(
    texts: Mapping[str, str], tables: Mapping[str, tuple[str, ...]], dialect: str
) -> tuple[dict[str, Outputs], Uses]:
    """The columns of all models and what they do with the input tables.

    Args:
        texts: of the models, each after those it reads. What does not parse passes nothing on.
        tables: input tables with the columns that are known.
    """
    known = {
        name.lower(): Outputs(
            {c.lower(): frozenset({(name.lower(), c.lower())}) for c in columns},
            {c.lower(): frozenset({(name.lower(), c.lower())}) for c in columns},
            frozenset({name.lower()}),
        )
        for name, columns in tables.items()
    }
    uses = Uses()
    for name, text in texts.items():
        found: list[Outputs] = []
        for variant in Variant:
            try:
                query = Query(text, dialect, lambda table: known.get(table.lower(), Outputs()), variant)
            except (NotParsed, JinjaError):
                continue
            collect(query, uses)
            found.append(query.outputs)
        known[name.lower()] = found[0] if found else Outputs()
    return known, uses


def collect(query: Query, uses: Uses) -> None:
    """Note what a query does with columns that come from input tables."""
    for node in query.tree.root.walk():
        match node:
            case exp.Column():
                uses.named |= query.origins(node, direct=True)
            case exp.Sum() | exp.Avg():
                for column in node.find_all(exp.Column):
                    uses.numeric |= query.origins(column, direct=True)
            case exp.Join() if node.args.get("using"):
                _join_using(query, node, uses)
            case _:
                _compare(query, node, uses)


def _join_using(query: Query, join: exp.Join, uses: Uses) -> None:
    scope = next((s for s in query.scopes if s.expression is join.parent), None)
    if scope is None:
        return
    for identifier in join.args["using"]:
        sides = [o for outputs in query.sources(scope).values() if (o := outputs.of(identifier.name))]
        uses.joined += [(sides[0], other) for other in sides[1:]]


def _compare(query: Query, node: exp.Expr, uses: Uses) -> None:
    for left, right in _pairs(node):
        one, two = _columns(query, left), _columns(query, right)
        if one and two:
            uses.joined.append((one, two))
        for origins, other in ((one, right), (two, left)):
            if origins and not list(other.find_all(exp.Column)):
                for literal in _literals(other, isinstance(node, _EXACT)):
                    if any(name in literal.literal for name in query.masked.expressions):
                        continue  # what Jinja puts there is not known
                    for origin in origins:
                        uses.literals.setdefault(origin, set()).add(literal)


def _pairs(node: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    match node:
        case _ if isinstance(node, _COMPARING):
            yield node.this, node.args["expression"]
        case exp.Like() | exp.ILike() | exp.StartsWith():
            if isinstance(node.args.get("expression"), exp.Expr):
                yield node.this, node.args["expression"]
        case exp.In():
            yield from ((node.this, member) for member in node.expressions)
            query = node.args.get("query")
            inner = query.unnest() if isinstance(query, exp.Subquery) else query
            chosen = inner.selects if isinstance(inner, exp.Query) else []
            if len(chosen) == 1:
                yield node.this, chosen[0]
        case exp.Between():
            yield node.this, node.args["low"]
            yield node.this, node.args["high"]
        case exp.Case() if node.this is not None:
            yield from ((node.this, arm.this) for arm in node.args["ifs"])
        case _:
            return


def _columns(query: Query, node: exp.Expr) -> Origins:
    return frozenset[Origin]().union(*(query.origins(c) for c in node.find_all(exp.Column)))


def _literals(node: exp.Expr, exact: bool) -> Iterator[Compared]:
    for found in node.find_all(exp.Literal, exp.Boolean):
        if isinstance(found, exp.Boolean):
            yield Compared(str(found.this).lower(), is_text=False, exact=exact)
        else:
            sign = "-" if isinstance(found.parent, exp.Neg) else ""
            yield Compared(sign + str(found.this), is_text=found.is_string, exact=exact)
