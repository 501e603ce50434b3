"""Every rule of the cuts made unsafe once: the naive form that somebody would write by hand."""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Mutant:
    """One change of the source text of one function.

    Attributes:
        naive: what the mutant believes.
        where: module, and the function in it, with its class.
        changes: (old, new) parts of the function's text.
    """

    naive: str
    where: tuple[str, str]
    changes: tuple[tuple[str, str], ...]

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the changed function in the place of the right one, wherever it was imported to.

        Fails where the text is not there any more.
        """
        module = importlib.import_module(f"split.sql.{self.where[0]}")
        *owners, name = self.where[1].split(".")
        owner: Any = module
        for part in owners:
            owner = getattr(owner, part)
        right = getattr(owner, name)
        source = textwrap.dedent(inspect.getsource(right))
        for old, new in self.changes:
            assert old in source, f"{self.naive}: {old!r} is not in {name}"
            source = source.replace(old, new)
        made: dict[str, Any] = dict(vars(module))
        exec(compile("from __future__ import annotations\n" + source, name, "exec"), made)
        monkeypatch.setattr(owner, name, made[name])
        for loaded in [m for n, m in sys.modules.items() if n.startswith("split.")]:
            if vars(loaded).get(name) is right:
                monkeypatch.setattr(loaded, name, made[name])


def _mutant(naive: str, module: str, function: str, *changes: tuple[str, str]) -> Mutant:
    return Mutant(naive, (module, function), changes)


MUTANTS = (
    _mutant("`brand <> 'E'` is TRUE, also for NULL", "conditions", "Conditions._leaf_verdict",
            ("len(truth.now) == 1", "len(truth.now - {None}) == 1"), ("iter(truth.now)", "iter(truth.now - {None})")),
    _mutant("a condition is TRUE or FALSE in a select list too", "rewrite", "Rewrite.fold",
            ("self.verdict(node, scope, reading)", "self.verdict(node, scope, Reading.true)")),
    _mutant("NOT changes nothing of how a condition is read", "conditions", "Reading.flipped",
            ("Reading.true: Reading.false, Reading.false: Reading.true", "")),
    _mutant("a NULL in a list can go", "conditions", "Conditions._is_gone",
            ("scalar is not None and", "scalar is None or")),
    _mutant("NOT LIKE is LIKE", "evaluate", "Evaluator._flip",
            ('apply(negated, value) if node.args.get("negate") else value', "value")),
    _mutant("the condition of a LEFT JOIN filters the left side", "queries", "Queries._join",
            ("return replace(scope, sources={**scope.sources, name: known.nullable()}), empty",
             "return replace(matched or scope, sources={**scope.sources, name: known.nullable()}), empty")),
    _mutant("a LEFT JOIN always finds a row", "queries", "Queries._join", ("name: known.nullable()", "name: known")),
    _mutant("a LEFT JOIN to nothing has no rows", "queries", "Queries._join",
            ("known.nullable()}), empty", "known.nullable()}), no_match or empty")),
    _mutant("a RIGHT JOIN keeps the left side", "queries", "Queries._join",
            ("scope.outer_narrowed()}).nullable()", "scope.outer_narrowed()})")),
    _mutant("a RIGHT or FULL JOIN to nothing has no rows", "queries", "Queries._join",
            ('joined.empty if side == "RIGHT" or empty is not None else None', "no_match or empty")),
    _mutant("a NATURAL or POSITIONAL JOIN is an inner join", "queries", "Queries._join",
            ("if join.method or inside", "if inside")),
    _mutant("an aggregate over nothing has no row", "clauses", "aggregates", ("return True", "return False")),
    _mutant("an aggregate inside a window's arguments is the window's", "clauses", "aggregates",
            ("of_window = isinstance(place.parent, exp.Window) and place.parent.this is place",
             "of_window = place.find_ancestor(exp.Window) is not None")),
    _mutant("ROLLUP and CUBE keep every column filled", "queries", "Queries._select", ("if sets:", "if not node:")),
    _mutant("SUM of no branch is 0", "branches", "Branches._only", ("written = self._null(whole)", 'written = "0"')),
    _mutant("what is grouped by may become a constant", "queries", "Queries._record",
            ("self._recorder.fold(projection, scope, whole=free)", "self._recorder.fold(projection, scope)"),
            ("scope if key == \"group\" else named, whole=False", "scope if key == \"group\" else named")),
    _mutant("a UNION of one branch needs no DISTINCT", "rewrite", "Rewrite.empty_branch",
            ('if node.args.get("distinct"):', "if not node:")),
    _mutant("the first branch of a UNION is like any other", "rewrite", "Rewrite.empty_branch",
            ("c.alias_or_name.lower()", "1")),
    _mutant("EXCEPT and INTERSECT lose empty branches as UNION does", "rewrite", "Rewrite.empty_branch",
            ("not isinstance(node, exp.Union) or", "")),
    _mutant("a UNION has the values of its first branch", "queries", "Queries._set_operation",
            ("[union(pair) for pair in", "[pair[0] for pair in")),
    _mutant("QUALIFY is a WHERE", "rewrite", "Rewrite.qualify", ("if made and not any(", "if not clause and not any(")),
    _mutant("NULLIF returns its first argument", "evaluate", "_nullif",
            ("None if equal(scalar, other) == TRUE else scalar", "scalar")),
    _mutant("COALESCE returns its first argument", "evaluate", "Evaluator._coalesce",
            ("if not value.can_be(None):", "if value.known:")),
    _mutant("an earlier arm is FALSE where it is not taken", "evaluate", "Evaluator._branches",
            ("{FALSE, None}", "{FALSE}")),
    _mutant("a later arm sees no NULL", "branches", "Branches._case", ("{FALSE, None}", "{FALSE}")),
    _mutant("both sides of an OR hold", "evaluate", "Evaluator.assume", ("decided not in truths", "truths")),
    _mutant("MAX of nothing is not NULL", "evaluate", "Evaluator._aggregate", (".or_null()", "")),
    _mutant("what is kept of a CASE binds as the CASE did", "branches", "_marks",
            ("if loose and", "if not node and")),
    _mutant("a filter that became redundant can go", "conditions", "Conditions._leaf_verdict",
            ("if facts and self._names_what_is_gone(node, scope)", "if True")),
    _mutant("of an if the first branch is what runs", "variance", "around",
            ("node.meta.get(_AROUND, frozenset[Block]())", "frozenset[Block]()")),
    _mutant("of a source that an if chooses the first is read", "queries", "Queries._source",
            ("_conditional(node, scope) or", "")),
    _mutant("a CTE that only Jinja names is read by nothing", "rewrite", "Rewrite._drop_ctes",
            (" and not self._catalog.unread(c.alias)", "")),
    _mutant("of an if around a query the first branch is what runs", "queries", "Queries.relation",
            ("return UNKNOWN if hidden else found", "return found")),
    _mutant("a text with Jinja in it is that text", "variance", "mark",
            ("node.meta[_VARIES] = Variance.hard", "pass")),
    _mutant("AND of TRUE and NULL is TRUE", "evaluate", "both", ("None if None in (left, right) else TRUE", "TRUE")),
    _mutant("columns that were compared are equal", "evaluate", "Evaluator.assume",
            ("isinstance(node, exp.EQ) and set(truths) == {TRUE}", "isinstance(node, exp.EQ)")),
    _mutant("of two columns of one name the last is read", "queries", "Queries._projections",
            ("(ANY, None) if name in values else (value, type_)", "(value, type_)")),
    _mutant("columns of one name are one column", "queries", "Queries._complete",
            ("if len(names) != len(set(names)):", "if not node:")),
    _mutant("beside OR as beside AND the other side holds", "conditions", "Conditions._beside",
            ("reading is not wanted or", "")),
    _mutant("an inner query's alias is the outer's", "rewrite", "_defined_inside", ("return True", "return False")),
    _mutant("a join that finds nothing goes, whatever its columns are used for", "rewrite", "Rewrite.empty_join",
            ('("group", "order", "qualify", "where", "joins")', "()")),
    _mutant("what is left of a CASE has the type of the whole", "branches", "Branches._type_at_risk",
            ("return kept is None or", "return kept is None and")),
    _mutant("an AND beside Jinja binds as it is read", "variance", "_mark_conditions",
            ("place.meta[_VARIES] = Variance.hard", "pass")),
)  # fmt: skip
