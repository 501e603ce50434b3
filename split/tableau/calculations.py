"""A data source's fields under the facts of either side: each calculation after those that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from sqlglot import exp

from split.dbt.jinja_sites import named
from split.facts import Facts
from split.report_model import UnknownLiteral
from split.sql.engine import Kind
from split.sql.literals import spelled_like
from split.sql.values import ANY, FALSE, Lit, Scalar, Value, apply
from split.tableau.datasource import GENERATED, PARAMETERS, Datasource, bare, guessed_origins, instance_field
from split.tableau.expressions import DATA
from split.tableau.formulas import Folded, FormulaError, fold, null_operands, parse
from split.tableau.functions import KNOWN
from split.tableau.grammar import calls
from split.tableau.markup import Element
from split.tableau.reads import Reads
from split.tableau.tables import Table

_NULL_MEMBER = "%null%"
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Known:
    """What is known of a field.

    Attributes:
        unclear: why it is not certain that this is all; empty where it is.
        origin: the table and column, where it is one.
    """

    commercial: Value = ANY
    enterprise: Value = ANY
    unclear: str = ""
    origin: str = ""

    @property
    def is_touched(self) -> bool:
        """Whether facts bear on it."""
        return bool(self.commercial.gone or self.enterprise.gone)


@dataclass(frozen=True)
class Judged:
    """A formula under the facts of both sides.

    Attributes:
        new: the formula without what only Enterprise rows reach; None where it stays.
        proposed: the formula that a person should look at first, for `left` says why it was not written.
        broken: line and reason where the formula could not be read, or calls what Tableau does not have.
        left: what is left to a person, and why the kind is unknown.
        value: what the fields that use it know of it.
    """

    kind: Kind
    folded: Folded | None = None
    new: str | None = None
    proposed: str | None = None
    broken: tuple[int, str] | None = None
    left: tuple[str, ...] = ()
    literals: tuple[UnknownLiteral, ...] = ()
    value: Known = field(default_factory=Known)


@dataclass(frozen=True)
class Definition:
    """What computes a field.

    Attributes:
        element: its <column>, or its <group>.
        formula: empty where it is no formula.
    """

    name: str
    element: Element
    calculation: Element
    formula: str = ""

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Fields that it names, lower case; none where the formula cannot be read."""
        if self.formula:
            try:
                return tuple(name for name, source in _fields(self.formula) if source == DATA)
            except FormulaError:
                return ()
        if self.element.tag == "group":
            levels = (bare(e.get("level")) for e in self.element.walk() if e.get("level"))
            return tuple(dict.fromkeys(instance_field(level).lower() for level in levels))
        of = self.calculation.get("column") or self.calculation.get("formula")
        return (bare(of).lower(),) if of else ()


@dataclass
class Fields:
    """The fields of one data source.

    Args:
        extra: columns with calculations that only a sheet has.
        others: the fields of the document's other data sources, by their names in lower case.
    """

    source: Datasource
    reads: Reads
    facts: Facts
    extra: Iterable[Element] = ()
    others: Mapping[str, Fields] = field(default_factory=dict[str, "Fields"])
    judged: dict[str, Judged] = field(default_factory=dict[str, Judged])
    """By internal name."""
    known: dict[str, Known] = field(default_factory=dict[str, Known])
    """By internal name in lower case."""

    def __post_init__(self) -> None:
        self._words = self.facts.enterprise_literals()
        self.definitions = {d.name.lower(): d for d in self._defined()}
        self._places = {name.lower(): origin for name, origin in self.source.origins.items()}
        self._names = {name.lower() for name in self.source.columns}
        for name in self._ordered():
            self.known[name] = self._computed(self.definitions[name])

    def of(self, name: str) -> Known:
        """What is known of a field, by its internal name or its caption."""
        key = name.lower()
        if key not in self.known:
            self.known[key] = self._base(name)
        return self.known[key]

    def formula(self, formula: str) -> Judged:
        """A formula that may read any field of the data source."""
        try:
            unknown = [(name, line) for name, line in calls(formula) if name not in KNOWN]
            read = _fields(formula)
        except FormulaError as error:
            return Judged(Kind.unknown, broken=(error.line, f"the formula cannot be read: {error}"))
        except RecursionError:
            return Judged(Kind.unknown, broken=(1, "the formula is nested too deeply"))
        if unknown:
            name, line = unknown[0]
            return Judged(Kind.unknown, broken=(line, f"calls {name}, which is no function of Tableau's formulas"))
        fields = {name: self.of(name) for name, table in read if table == DATA}
        ours = fold(formula, {name: known.commercial for name, known in fields.items()})
        theirs = fold(formula, {name: known.enterprise for name, known in fields.items()})
        unclear = {f"[{self.source.title(name)}]": k.unclear for name, k in fields.items() if k.unclear}
        unclear |= {f"[{source}].[{name}]": why for name, source in read if (why := self._elsewhere(source, name))}
        value = Known(ours.result, theirs.result, next(iter(unclear.values()), ""))
        literals = tuple(self._unknown_literals(formula, fields))
        reasons = [f"{name}: {why}" for name, why in unclear.items()]
        return replace(self._judge(formula, ours, theirs, reasons), literals=literals, value=value)

    def _elsewhere(self, source: str, name: str) -> str:
        """Why nothing is known of another data source's field; empty for parameters and where no fact bears on it."""
        if source in (DATA, PARAMETERS):
            return ""
        other = self.others.get(source.lower())
        if other is None:
            return "another data source, which is not followed"
        known = other.of(name)
        return known.unclear or ("values blended from another data source are not followed" if known.is_touched else "")

    def _judge(self, formula: str, ours: Folded, theirs: Folded, reasons: list[str]) -> Judged:
        still = [f"still names {word!r}" for word in named(ours.text, self._words)]
        if self.reads.commercial is not None:
            kind = Kind.dead if self.reads.enterprise is not None else Kind.enterprise_only
            return Judged(kind, ours)
        touched = bool(ours.cuts or theirs.cuts or ours.result.gone or theirs.result.gone)
        if touched and _is_absent(ours.result):
            return Judged(Kind.dead if _is_absent(theirs.result) else Kind.enterprise_only, ours)
        new = ours.text if ours.cuts else None
        left = [*ours.left, *still]
        if new is not None and null_operands(new) > null_operands(formula):
            left.insert(
                0, "what is left gives a NULL without a type to an operator or a function; Tableau may refuse it"
            )
            new = None
        proposed = ours.text if ours.cuts and new is None else None
        if self.reads.enterprise is not None or (touched and _is_absent(theirs.result)):
            return Judged(Kind.commercial_only, ours, new, proposed, left=tuple(left))
        if ours.cuts or theirs.cuts:
            return Judged(Kind.mixed, ours, new, proposed, left=(*left, *reasons))
        if left or reasons:
            return Judged(Kind.unknown, ours, left=(*left, *reasons))
        return Judged(Kind.neutral, ours)

    def _defined(self) -> Iterator[Definition]:
        for column in (*self.source.columns.values(), *self.extra):
            calculation = column.first("calculation")
            if calculation is not None:
                formula = calculation.get("formula") if calculation.get("class", "tableau") == "tableau" else ""
                yield Definition(bare(column.get("name")), column, calculation, formula)
        for group in self.source.element.all("group"):
            yield Definition(bare(group.get("name")), group, group)

    def _ordered(self) -> list[str]:
        """Definitions, each after those that it reads; of a circle nothing is known."""
        graph = {
            name: {self._internal(r) for r in d.reads} & set(self.definitions) for name, d in self.definitions.items()
        }
        while True:
            try:
                return [name for name in TopologicalSorter(graph).static_order() if name not in self.known]
            except CycleError as error:
                circle = list(dict.fromkeys(error.args[1]))
                why = f"calculations read each other in a circle: {', '.join(map(self.source.title, circle))}"
                for name in circle:
                    self.known[name] = Known(unclear=why)
                    self.judged[self.definitions[name].name] = Judged(Kind.unknown, broken=(1, why))
                    graph[name] = set()

    def _internal(self, name: str) -> str:
        """The internal name, lower case, of a field that a formula may call by its caption."""
        key = name.lower()
        if key in self._names or key in self.definitions or key in self._places:
            return key
        return self.source.captions.get(key, key).lower()

    def _computed(self, definition: Definition) -> Known:
        if definition.formula:
            judged = self.formula(definition.formula)
            self.judged[definition.name] = judged
            return judged.value if judged.broken is None else Known(unclear=f"its formula: {judged.broken[1]}")
        bases = [self.of(name) for name in definition.reads]
        unclear = next((base.unclear for base in bases if base.unclear), "")
        kind = definition.calculation.get("class", "tableau")
        if kind == "categorical-bin" and len(bases) == 1:
            ours, theirs = (self._grouped(definition, side) for side in (bases[0].commercial, bases[0].enterprise))
            return Known(ours, theirs, unclear)
        if definition.element.tag == "group":
            touched = any(base.is_touched for base in bases)
            return Known(
                unclear=unclear or ("which rows a set or a combined field holds is not followed" if touched else "")
            )
        return Known(unclear=unclear if kind == "bin" and bases else f"is computed by {kind!r}, which is not followed")

    def _grouped(self, definition: Definition, base: Value) -> Value:
        """What a group makes of a field: the bin's name, or else the "other" of the group, or the value itself."""
        bins = {
            member_value(self.source.document.text(value)): member_value(one.get("value"))
            for one in definition.calculation.all("bin")
            for value in one.all("value")
        }
        other = definition.calculation.get("default")

        def group(value: Scalar) -> Scalar:
            return bins.get(value, member_value(other) if other else value)

        return apply(group, base)

    def _base(self, name: str) -> Known:
        """A field that nothing here computes."""
        key = self._internal(name)
        if key != name.lower():
            return self.of(key)
        if key not in self._places and (key in GENERATED or key.startswith("__tableau_internal_object_id__")):
            return Known()
        places = [self._places[key]] if key in self._places else list(guessed_origins(name))
        for place in places:
            table = self._table(place.relation)
            if table is None:
                continue
            if table.unclear:
                return Known(unclear=table.unclear, origin=f"{table.name}.{place.column}")
            ours, theirs = table.commercial.column(place.column), table.enterprise.column(place.column)
            if ours is None or theirs is None:
                return Known(unclear=f"the table {table.name} has no column {place.column}")
            return Known(ours, theirs, origin=f"{table.name}.{place.column}")
        if not self.reads.tables:
            return Known(unclear=f"the file does not say what the data source {self.source.caption} reads")
        return Known(unclear="the data source does not say which table it comes from")

    def _table(self, relation: str) -> Table | None:
        if relation:
            return self.reads.tables.get(relation.lower()) or self.reads.tables.get(relation.lower().rstrip("$"))
        different = {id(table): table for table in self.reads.tables.values()}
        return next(iter(different.values())) if len(different) == 1 else None

    def _unknown_literals(self, formula: str, fields: Mapping[str, Known]) -> Iterator[UnknownLiteral]:
        tree = parse(formula)
        for column, literal in compared_texts(tree.root):
            known = fields.get(column.name.lower())
            if known is None or column.table != DATA or not known.is_touched or known.commercial.now is None:
                continue
            values = {v for v in known.commercial.now if v is not None} | {v for v, _ in known.commercial.gone if v}
            text = str(literal.this)
            if Lit.of(text) not in values and all(v.kind == "text" for v in values):
                span = tree.span(literal)
                line = formula.count("\n", 0, span[0]) + 1 if span else 0
                like = spelled_like(text, {str(v.value) for v in values})
                yield UnknownLiteral(
                    line=line, column=f"[{self.source.title(column.name)}]", literal=text, looks_like=like
                )


def member_value(written: str) -> Scalar:
    """A member as filters, groups and parameters write it: a text in quotes, a number, a truth, or `%null%`."""
    if written == _NULL_MEMBER:
        return None
    if len(written) > 1 and written[0] == written[-1] == '"':
        return Lit.of(_ESCAPED.sub(r"\1", written[1:-1]).replace('""', '"'))
    if written in ("true", "false"):
        return Lit.of(written == "true")
    return Lit.of(int(written)) if re.fullmatch(r"-?\d+", written) else Lit("text", written)


def _fields(formula: str) -> list[tuple[str, str]]:
    """Names of the fields that a formula reads, lower case, and the data source of each."""
    columns = parse(formula).root.find_all(exp.Column)
    return list(dict.fromkeys((c.name.lower(), c.table) for c in columns))


def _is_absent(value: Value) -> bool:
    """Whether it is never anything but NULL, or FALSE."""
    return value.now is not None and value.now <= {None, FALSE}


def compared_texts(root: exp.Expr) -> Iterator[tuple[exp.Column, exp.Literal]]:
    """Columns and the texts that they are compared with."""
    for node in root.find_all(exp.EQ, exp.NEQ, exp.In, exp.Case):
        pairs: list[tuple[object, object]] = []
        match node:
            case exp.EQ() | exp.NEQ():
                pairs = [(node.this, node.expression), (node.expression, node.this)]
            case exp.In():
                pairs = [(node.this, e) for e in node.expressions]
            case _:
                pairs = [(node.args.get("this"), arm.this) for arm in node.args["ifs"]]
        for column, literal in pairs:
            if isinstance(column, exp.Column) and isinstance(literal, exp.Literal) and literal.is_string:
                yield column, literal
