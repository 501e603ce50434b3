"""Partial evaluation of a query: what the facts leave of it, as edits of its own text.

Every edit replaces a node by one of its parts, by a constant, or takes an item out of a list; nothing is written anew.
Conditions are read in three ways: by value (NULL and FALSE differ), for being true (WHERE, ON, CASE WHEN), or, below a
NOT there, for being false. An edit needs a fact whose value the text names: a Commercial filter that has become
redundant stays.
"""

from __future__ import annotations

from sqlglot import exp

from split.facts import Fact
from split.sql.branches import Branches
from split.sql.clauses import leaves, null_at, source_name
from split.sql.conditions import SQL, Reading, Syntax
from split.sql.edits import Edit, delete, replace, without_item
from split.sql.queries import Catalog, Queries
from split.sql.scope import Relation, Scope
from split.sql.spans import Tree
from split.sql.types import NULL_TYPE
from split.sql.values import TRUE, Value

_TRUTHS = (exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.In, exp.Like, exp.ILike, exp.Is, exp.Exists)

_CONSTANT = "would leave a constant where a constant changes the query's meaning"


class Rewrite(Branches):
    """The edits of one pass over one query.

    Args:
        used_before: names that the text read before any cut: a CTE goes when it was read and is not any more.
        last: write `false` for conditions that never hold. Before that pass they stay, so that what they say of the
            query's rows can be used.
    """

    def __init__(
        self, tree: Tree, catalog: Catalog, used_before: frozenset[str], *, last: bool = False, syntax: Syntax = SQL
    ) -> None:
        self._queries = Queries(catalog, self, tree.dialect)
        super().__init__(tree, self._queries.evaluator, self._queries.types, syntax)
        self._last_pass = last
        self._used_before = used_before
        self._catalog = catalog

    def run(self) -> Relation:
        """Collect the edits; returns what is known of the query's result."""
        result = self._queries.relation(self.tree.root, Scope({}), record=True)
        self._drop_ctes()
        return self._types.settled(result)

    def expression(self, node: exp.Expr, scope: Scope) -> Value:
        """Collect the edits of an expression that stands alone; returns what is known of it."""
        self.fold(node, scope)
        return self._evaluator.value(node, scope)

    def condition(self, clause: exp.Expr, scope: Scope, *, removable: bool) -> None:
        """A WHERE, HAVING or ON. `removable`: the clause itself goes where it is always true."""
        node = clause.this if removable else clause
        verdict = self.verdict(node, scope, Reading.true)
        if verdict is not None and verdict.scalar == TRUE and removable and (span := self.tree.span(clause)):
            self.edits.append(delete("a condition that always holds", verdict.facts, span))
            return
        if verdict is not None and verdict.scalar != TRUE and not self._last_pass:
            return
        self.fold(node, scope, Reading.true)

    def join_condition(self, on: exp.Expr, scope: Scope, side: str) -> None:
        """An ON. That of an outer join stays a condition: some engines join on no constant."""
        if side and self.verdict(on, scope, Reading.true) is not None:
            return
        self.condition(on, scope, removable=False)

    def qualify(self, clause: exp.Expr, scope: Scope, windows: frozenset[str]) -> None:
        """A QUALIFY: all of its edits where a window is left in it, or none."""
        before = len(self.edits)
        self.fold(clause, scope, Reading.true)
        made = self.edits[before:]
        cuts = [cut for edit in made for cut in edit.deletes]

        def stays(node: exp.Expr) -> bool:
            span = self.tree.span(node)
            return span is not None and not any(a < span[1] and span[0] < b for a, b in cuts)

        named = [c for c in clause.find_all(exp.Column) if not c.table and c.name.lower() in windows]
        if made and not any(stays(node) for node in [*clause.find_all(exp.Window), *named]):
            del self.edits[before:]
            self.refuse(clause, "QUALIFY would be left without a window")

    def fold(self, node: exp.Expr, scope: Scope, reading: Reading = Reading.exact, *, whole: bool = True) -> None:
        """Collect the edits of an expression. Without `whole` it may not become a constant itself."""
        if isinstance(node, exp.Paren):
            self.fold(node.this, scope, reading, whole=whole)
            return
        if isinstance(node, exp.Alias):
            self.fold(node.this, scope, reading, whole=whole)
            return
        if isinstance(node, exp.Query):
            self._queries.relation(node, scope, record=True)
            return
        if isinstance(node, exp.Escape):
            self.fold(node.this.this, scope, whole=whole)
            return
        if whole and (verdict := self.verdict(node, scope, reading)) and (span := self.tree.span(node)):
            self.edits.append(
                replace("a condition that is decided", verdict.facts, span, self._written(verdict.scalar))
            )
            return
        match node:
            case exp.And() | exp.Or():
                self._operands(node, scope, reading, whole=whole)
            case exp.Not() if self.tree.span(node) != self.tree.span(node.this):
                self.fold(node.this, scope, reading.flipped(), whole=whole)
            case exp.Case():
                self._case(node, scope, whole=whole)
            case exp.If():
                self._if(node, scope, whole=whole)
            case exp.Coalesce():
                self._coalesce(node, scope)
            case exp.Nullif():
                self._nullif(node, scope)
            case exp.CountIf() if isinstance(node.this, exp.Expr):
                self.fold(node.this, scope, Reading.true)
            case exp.Filter():
                self.fold(node.this, scope, whole=False)
                self.fold(node.expression.this, scope, Reading.true)
            case exp.Window():
                self._window(node, scope)
            case _:
                if not self._leaf(node, scope, reading):
                    # `x not in (…)`: the NOT stands inside the range of what it negates, which is no node to replace.
                    inner = node.this if isinstance(node, exp.Not) else node
                    for child in inner.iter_expressions():
                        self.fold(child, scope, whole=whole and not isinstance(node, exp.Ordered))

    def empty_branch(self, node: exp.SetOperation, left: Relation, right: Relation) -> None:
        """Take the branch of a UNION out that has no rows."""
        if not isinstance(node, exp.Union) or (left.empty is None) == (right.empty is None):
            return
        a, b = self.tree.span(node.this), self.tree.span(node.expression)
        facts = left.empty or right.empty or frozenset[Fact]()
        if a is None or b is None or not facts:
            return
        kept = node.this if right.empty is not None else node.expression
        inserts: tuple[tuple[int, str], ...] = ()
        if node.args.get("distinct"):
            if not isinstance(kept, exp.Select) or node.find_ancestor(exp.SetOperation):
                self.refuse(node, "a branch of a UNION DISTINCT without rows")
                return
            distinct = kept.args.get("distinct")
            if distinct is not None and distinct.args.get("on") is not None:
                self.refuse(node, "a branch of a UNION DISTINCT without rows beside a DISTINCT ON")
                return
            if distinct is None:
                word = next(t for t in self.tree.tokens if t.start >= self._body(kept) and t.text.upper() == "SELECT")
                inserts = ((word.end + 1, " distinct"),)
        if right.empty is not None:
            cut = (a[1], b[1])
        else:
            if [c.alias_or_name.lower() for c in node.this.selects] != [
                c.alias_or_name.lower() for c in node.expression.selects
            ]:
                self.refuse(node, "the first branch of a UNION has no rows, but gives the columns their names")
                return
            cut = (self._body(node.this), b[0])
        span = (cut[0], max(a[1], b[1]))
        gone, stays = (right, left) if right.empty is not None else (left, right)
        casts, risk = self._retyped(node, kept, gone, stays)
        edit = Edit("a branch of a UNION without rows", facts, span, (cut,), (*inserts, *casts), type_at_risk=risk)
        self.edits.append(edit)

    def _retyped(
        self, node: exp.SetOperation, kept: exp.Expr, gone: Relation, stays: Relation
    ) -> tuple[tuple[tuple[int, str], ...], bool]:
        """The casts that keep the types of a UNION's columns which have a bare NULL in all that is left of it, and
        whether another column's type is at risk.
        """
        if not (gone.complete and stays.complete) or len(gone.columns) != len(stays.columns):
            return (), True
        inserts: list[tuple[int, str]] = []
        risk = False
        others = [leaf for leaf in leaves(_outermost(node)) if not _within(leaf, node)]
        for place, (ours, theirs) in enumerate(zip(stays.columns, gone.columns, strict=True)):
            was, becomes = gone.types.get(theirs), stays.types.get(ours)
            cast = self._cast(was)
            null = null_at(leaves(kept)[0], place)
            at = self.tree.span(null) if null is not None else None
            alone = becomes == NULL_TYPE and all(null_at(leaf, place) is not None for leaf in others)
            if alone and cast is not None and at is not None:
                inserts += [(at[0], cast[0]), (at[1], cast[1])]
            elif was != NULL_TYPE and (becomes is None or self._types.common([was, becomes]) != becomes):
                risk = True
        return tuple(inserts), risk

    def empty_join(
        self, select: exp.Select, join: exp.Join, name: str, joined: Relation, facts: frozenset[Fact]
    ) -> None:
        """Take a LEFT JOIN out that finds no row; the columns it brought become NULL."""
        columns = [c for c in select.find_all(exp.Column) if _first_part(c) == name and not _within(c, join)]
        grouped = isinstance(select.args.get("group"), exp.Group)
        unclear = [
            c
            for c in columns
            if c.table.lower() != name  # a path into a struct
            or isinstance(c.this, exp.Star)
            or (grouped and not isinstance(c.find_ancestor(exp.AggFunc, exp.Select), exp.AggFunc))
            or (c.find_ancestor(exp.Query) is not select and _defined_inside(c, select, name))
        ]
        stars = [p for p in select.selects if p.is_star]
        blocked = (
            stars
            or unclear
            or self._catalog.unread(name)
            or any(self._catalog.is_opaque(c.name) for p in select.selects for c in p.find_all(exp.Column))
            or join.args.get("using")
            or any(
                _within(c, select.args.get(clause))
                for c in columns
                for clause in ("group", "order", "qualify", "where", "joins")
                if isinstance(select.args.get(clause), exp.Expr)
            )
            or any(_within(c, other) for c in columns for other in select.args.get("joins", []) if other is not join)
        )
        unqualified = any(not c.table and not isinstance(c.this, exp.Star) for c in select.find_all(exp.Column))
        span = self.tree.span(join)
        if blocked or (unqualified and len(select.args.get("joins", [])) > 0) or span is None:
            self.refuse(
                join, f"the join to {name} finds no row any more; its columns are used where NULL is no substitute"
            )
            return
        places = [self.tree.span(column) or span for column in columns]
        whole = (min([span[0], *(p[0] for p in places)]), max([span[1], *(p[1] for p in places)]))
        nulls = [self._null(joined.types.get(column.name.lower())) for column in columns]
        inserts = tuple(
            (place[0], f"{null} as {column.name}" if column.parent is select else null)
            for column, place, null in zip(columns, places, nulls, strict=True)
        )
        cuts = tuple(sorted([*places, span]))
        self.edits.append(Edit("a join without rows", facts, whole, cuts, inserts, type_at_risk="null" in nulls))

    def _body(self, query: exp.Expr) -> int:
        """Where a query starts after its WITH."""
        span = self.tree.span(query)
        assert span is not None
        with_ = query.args.get("with_")
        inner = self.tree.span(with_) if with_ is not None else None
        if inner is None:
            return span[0]
        return next(t.start for t in self.tree.tokens if t.start >= inner[1])

    def _drop_ctes(self) -> None:
        """CTEs that were used, and are not any more."""
        used = used_names(self.tree.root)
        for with_ in self.tree.root.find_all(exp.With):
            ctes = with_.expressions
            spans = [self.tree.span(c) for c in ctes]
            dead = [
                i
                for i, c in enumerate(ctes)
                if c.alias.lower() in self._used_before - used and not self._catalog.unread(c.alias)
            ]
            if not dead or None in spans or with_.args.get("recursive"):
                continue
            known = [s for s in spans if s is not None]
            whole = self.tree.span(with_)
            if len(ctes) == 1 and whole is not None:
                after = next(t.start for t in self.tree.tokens if t.start >= whole[1])
                self.edits.append(delete("a CTE that nothing reads any more", (), (whole[0], after)))
            else:
                self.edits.append(delete("a CTE that nothing reads any more", (), without_item(known, dead[0])))


def _outermost(node: exp.SetOperation) -> exp.SetOperation:
    """The whole chain of set operations that a set operation is part of."""
    while isinstance(node.parent, exp.SetOperation):
        node = node.parent
    return node


def used_names(root: exp.Expr) -> frozenset[str]:
    """Names of tables and CTEs that a query reads."""
    return frozenset(table.name.lower() for table in root.find_all(exp.Table))


def _first_part(column: exp.Column) -> str:
    return column.parts[0].name.lower()


def _defined_inside(column: exp.Column, select: exp.Select, name: str) -> bool:
    """Whether a query between the column and the SELECT has a source of the same name."""
    place = column.find_ancestor(exp.Select)
    while isinstance(place, exp.Select) and place is not select:
        if any(source_name(source) == name for source in place.find_all(exp.Table, exp.Subquery, exp.Unnest)):
            return True
        place = place.find_ancestor(exp.Select)
    return False


def _within(node: exp.Expr, ancestor: object) -> bool:
    place: exp.Expr | None = node
    while place is not None:
        if place is ancestor:
            return True
        place = place.parent
    return False
