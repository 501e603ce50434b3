"""The second claim: "new" is also what "old" makes of all rows, filtered to Commercial.

Filtered is: without the rows whose columns tell that they are Enterprise's; or, where no column tells it, without the
rows that "old" makes of Enterprise rows alone. Where neither comes to "new", rows of both segments were mixed, and
somebody has to decide which of the two is wanted. A model that differs only because one that it reads does follows that
decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from split.dbt.build import Built, Node, Parsed
from split.facts import Facts
from split.sql.engine import base_relation, specialise
from split.sql.mask import JinjaError
from split.sql.scope import Relation
from split.sql.spans import NotParsed
from split.sql.values import Value
from split.verify.check_model import Clause, Decision, ModelCheck, SecondClaim, Verdict
from split.verify.compare import Difference, Rounding, Side, compare
from split.verify.data import Pair, owned_keys, uses_of
from split.verify.data_set import quoted
from split.verify.lineage import Origin, Outputs, Query, read
from split.verify.locality import Meeting, Segments, meetings
from split.verify.undecidable import Undecidable

Filters = dict[str, frozenset[str]]
"""By column, in lower case: the texts of values that only Enterprise rows have."""

_TIME_OF_SNAPSHOT = frozenset({"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"})
_TOLD = "the segment"
"""In the place of an input table: a column of which the values tell the segment, however they were computed."""


@dataclass(frozen=True)
class Mixed:
    """The old project over all rows and over those of Enterprise, and the new one over those of Commercial."""

    pair: Pair
    old: Built
    enterprise: Built
    new: Built


class SecondClaims:
    """Decides about models in the order of the build."""

    def __init__(self, old: Parsed, facts: Facts, dialect: str, rounding: Rounding) -> None:
        self._dialect = dialect
        self._rounding = rounding
        self._ours = relations(old, facts, dialect)
        tables = {s.name: tuple(s.columns) for s in old.sources.values()}
        tables.update({n.name: () for n in old.nodes.values() if n.resource == "seed"})
        outputs, _ = read({n.name: n.raw for n in old.nodes.values() if n.resource != "seed"}, tables, dialect)
        self._owned = owned_keys(old, facts, uses_of(old, dialect))
        told = _telling(self._ours, relations(old, facts.swapped(), dialect))
        self._outputs = {name: _with_told(found, told.get(name, frozenset())) for name, found in outputs.items()}
        declared = {(t.lower(), c.lower()) for t, known in facts.tables.items() for c in known.columns}
        columns = self._owned | declared | {(_TOLD, c) for found in told.values() for c in found}
        self._segments = Segments(columns, frozenset(t.lower() for t, k in facts.tables.items() if k.columns))

    def decide(self, node: Node, mixed: Sequence[Mixed], check: ModelCheck, done: Mapping[str, ModelCheck]) -> Decision:
        """The claim for one model.

        Args:
            check: the first claim.
            done: of the models that it reads.
        """
        upstream = [found.decision for u in node.upstream if (found := done.get(u)) is not None]
        open_ = [d for d in upstream if d.claim not in (SecondClaim.holds, SecondClaim.holds_on_data)]
        own = self._meetings(node)
        clauses = tuple(dict.fromkeys([*own, *(clause for decision in open_ for clause in decision.clauses)]))
        nothing = Decision(claim=SecondClaim.not_compared, owner=node.owner, clauses=clauses)
        if check.verdict is Verdict.not_run:
            return nothing
        if not mixed:
            return nothing.model_copy(update={"reason": "no mixed rows"})
        failure = next((f for m in mixed for b in (m.old, m.enterprise) if (f := b.failure(node.name))), None)
        if failure is not None:
            reason = f"not built over all rows: {failure.message.splitlines()[0]}"
            return nothing.model_copy(update={"reason": reason})
        unread = frozenset(c for n in check.not_determined for c in n.columns) | columns_of((), node)
        filters = [enterprise_filters(node.name, self._ours, self._outputs, self._owned, one.pair) for one in mixed]
        by = tuple(sorted({column for found in filters for column in found}))
        if check.verdict is Verdict.not_decidable and any(not n.columns for n in check.not_determined):
            reason = "the data does not determine which rows it has"
            return nothing.model_copy(update={"reason": reason, "filtered_by": by})
        examples = [
            f"{one.pair.mixed.name}: {example}"
            for one, found in zip(mixed, filters, strict=True)
            for example in self._differing(node, one, found, unread)
        ]
        if not examples:
            claim = SecondClaim.holds_on_data if own else SecondClaim.holds
            return Decision(claim=claim, owner=node.owner, filtered_by=by, clauses=own)
        follows = not own and any(d.claim in (SecondClaim.decision, SecondClaim.follows) for d in open_)
        return Decision(
            claim=SecondClaim.follows if follows else SecondClaim.decision,
            owner=node.owner,
            reason=_reason(node.name, clauses, follows=follows),
            filtered_by=by,
            clauses=clauses,
            examples=tuple(examples[:10]),
        )

    def _differing(self, node: Node, one: Mixed, filters: Filters, unread: frozenset[str]) -> tuple[str, ...]:
        """Rows that differ in every way of filtering; none where one of them comes to the new table."""
        before, after = (built.columns()[node.name] for built in (one.old, one.new))
        shared = [c for c in before if c.lower() in {a.lower() for a in after} and c.lower() not in unread]
        listed = ", ".join(quoted(c) for c in shared) or "1"
        table = quoted(node.name)
        conditions = [
            f"({quoted(column)} IS NULL OR CAST({quoted(column)} AS VARCHAR) NOT IN ({_listed(values)}))"
            for column, values in sorted(filters.items())
            if values and column in {c.lower() for c in before}
        ]
        ways = [f"SELECT {listed} FROM old.{table} WHERE {' AND '.join(conditions) or 'true'}"]  # noqa: S608 - quoted
        if node.name in one.enterprise.columns():
            ways.append(f"SELECT {listed} FROM old.{table} EXCEPT ALL SELECT {listed} FROM enterprise.{table}")  # noqa: S608
        found: list[Difference] = []
        with both_attached(old=one.old, new=one.new, enterprise=one.enterprise) as connection:
            for number, way in enumerate(ways):
                connection.execute(f"CREATE TEMP VIEW filtered{number} AS {way}")
                old = Side(f"filtered{number}", {c: before[c] for c in shared})
                difference = compare(
                    connection, old, Side(f"new.{table}", after), unread=unread, rounding=self._rounding
                )
                if difference.same_rows:
                    return ()
                found.append(difference)
        return found[0 if conditions else -1].examples

    def _meetings(self, node: Node) -> tuple[Clause, ...]:
        """Where rows of both segments meet in the model's own text."""
        try:
            query = Query(node.raw, self._dialect, lambda table: self._outputs.get(table.lower(), Outputs()))
        except (NotParsed, JinjaError):
            return ()
        return tuple(dict.fromkeys(_clause(node, m) for m in meetings(query, self._segments)))


def _reason(model: str, clauses: Sequence[Clause], *, follows: bool) -> str:
    if not clauses:
        return "no clause was found that explains the difference: look at the rows"
    first = clauses[0]
    where = f"line {first.line}" if first.model == model else f"{first.model}, line {first.line}"
    return f"{'follows ' if follows else ''}{where}: {first.text}: {first.reason}"


def _clause(node: Node, meeting: Meeting) -> Clause:
    return Clause(model=node.name, line=meeting.line, text=meeting.clause, reason=meeting.reason)


def _telling(ours: Mapping[str, Relation], theirs: Mapping[str, Relation]) -> dict[str, frozenset[str]]:
    """By table: the columns that have other values in Enterprise rows than in Commercial ones."""
    found: dict[str, frozenset[str]] = {}
    for name, relation in ours.items():
        other = theirs.get(name, Relation())
        found[name] = frozenset(
            column
            for column, value in relation.columns.items()
            if value.gone and (there := other.columns.get(column)) is not None and _apart(value, there)
        )
    return found


def _apart(one: Value, two: Value) -> bool:
    if one.now is None or two.now is None:
        return False
    return not (one.now - {None}) & (two.now - {None})


def _with_told(outputs: Outputs, told: frozenset[str]) -> Outputs:
    """The same where columns that tell the segment come from an input of their own as well."""

    def added(columns: Mapping[str, frozenset[Origin]]) -> dict[str, frozenset[Origin]]:
        return {c: origins | {(_TOLD, c)} if c in told else origins for c, origins in columns.items()}

    return replace(outputs, all=added(outputs.all), direct=added(outputs.direct))


def columns_of(undecidable: Sequence[Undecidable], node: Node) -> frozenset[str]:
    """The output columns, in lower case, that the data does not determine."""
    own = frozenset(c for u in undecidable for c in u.columns or ())
    return own | _TIME_OF_SNAPSHOT if node.resource == "snapshot" else own


def both_attached(**built: Built) -> duckdb.DuckDBPyConnection:
    """A connection that reads what was built under these names."""
    connection = duckdb.connect()
    for name, one in built.items():
        connection.execute(f"ATTACH '{one.results}' AS {name} (READ_ONLY)")
    return connection


def relations(parsed: Parsed, facts: Facts, dialect: str) -> dict[str, Relation]:
    """What is known under the facts of each table that the models read, by name in lower case."""
    known: dict[str, Relation] = {}
    for source in parsed.sources.values():
        if (relation := base_relation(source.name, facts)) is not None:
            known[source.name.lower()] = relation
    for node in parsed.nodes.values():
        relation = base_relation(node.name, facts) if node.resource == "seed" else None
        if node.resource != "seed":
            try:
                relation = specialise(node.raw, lambda name: known.get(name.lower()), dialect=dialect).result
            except (NotParsed, JinjaError):
                continue
        if relation is not None:
            known[node.name.lower()] = relation
    return known


def enterprise_filters(
    model: str,
    known: Mapping[str, Relation],
    outputs: Mapping[str, Outputs],
    owned: frozenset[Origin],
    pair: Pair,
) -> Filters:
    """The columns of a model that tell the segment of a row, with the values of Enterprise rows."""
    found: Filters = {}
    relation = known.get(model.lower())
    for column, value in (relation.columns if relation is not None else {}).items():
        now = {str(v.value) for v in value.now or () if v is not None}
        gone = {str(v.value) for v, _ in value.gone if v is not None and v.kind != "anything"}
        if gone - now:
            found[column] = frozenset(gone - now)
    for column, origins in (outputs[model.lower()].direct if model.lower() in outputs else {}).items():
        for origin in origins & owned:
            found[column] = found.get(column, frozenset()) | _only_mixed(origin, pair)
    return {column: values for column, values in found.items() if values}


def _only_mixed(origin: Origin, pair: Pair) -> frozenset[str]:
    """The values that a column has in Enterprise rows only."""
    table, column = origin
    values: list[frozenset[str]] = []
    for data in (pair.mixed, pair.commercial):
        found = next((t for name, t in data.tables.items() if name.lower() == table), None)
        place = [c.lower() for c in found.columns].index(column) if found is not None else 0
        values.append(
            frozenset(str(row[place]) for row in found.rows if row[place] is not None) if found else frozenset()
        )
    return values[0] - values[1]


def _listed(values: frozenset[str]) -> str:
    return ", ".join("'" + v.replace("'", "''") + "'" for v in sorted(values))
