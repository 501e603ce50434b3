"""Old and new project built over the same rows and compared, model by model.

First claim: on Commercial-only rows new is what old is. Second claim: new is also what old makes of all rows, filtered
to Commercial; where it is not, somebody has to decide which of the two is wanted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from split.build import Builder, Built, Failure, Node, Parsed
from split.check_model import Clause, Decision, ModelCheck, NotDetermined, SecondClaim, Verdict
from split.compare import Difference, Rounding, Side, compare
from split.data import Pair, Schema, generate, owned_keys, uses_of
from split.data_set import DataSet, quoted
from split.dbt_process import DbtProcess
from split.extracts import read_extracts
from split.facts import Facts
from split.lineage import Inputs, Outputs, Query, read
from split.locality import Meeting, Segments, meetings
from split.mask import JinjaError
from split.scope import Relation
from split.second_claim import Filters, enterprise_filters, relations
from split.spans import NotParsed
from split.undecidable import Undecidable, each_an_input, find

_TIME_OF_SNAPSHOT = frozenset({"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"})


def verify(
    old: Path,
    new: Path,
    facts: Facts,
    *,
    seed: int = 0,
    sets: int = 3,
    schema: Schema | None = None,
    extracts: Sequence[Path] = (),
    dialect: str = "duckdb",
    dropped: Mapping[str, Sequence[str]] | None = None,
    rounding: Rounding | None = None,
) -> list[ModelCheck]:
    """Compare two projects over generated rows, and over extracts where there are some.

    Args:
        sets: generated data sets; one more where the models name values that nobody declared.
        schema: types of input columns that the YAML does not declare.
        extracts: folders of Commercial-only rows (`split.extracts.read_extracts`), for the first claim.
        dropped: columns by model that are meant to be gone.

    Returns:
        one check for each model, seed and snapshot of the old project, in DAG order, then those only the new one has.

    Raises:
        ExtractRefused: an extract is not what it has to be.
        DbtEnded: the process that runs dbt did not survive.
    """
    with tempfile.TemporaryDirectory(prefix="split-verify-") as folder, DbtProcess(Path(folder)) as dbt:
        before = Builder(old, Path(folder) / "old", dbt, dialect=dialect)
        after = Builder(new, Path(folder) / "new", dbt, dialect=dialect)
        pairs = generate(before.parsed, facts, seed=seed, sets=sets, schema=schema, dialect=dialect)
        real = [read_extracts(extract, before.parsed, facts, dialect=dialect) for extract in extracts]
        commercial = [*(pair.commercial for pair in pairs), *real]
        runs = [Run(data, before.build(data, facts), after.build(data, facts)) for data in commercial]
        both = zip(pairs, runs, strict=False)
        mixed = [Mixed(pair, before.build(pair.mixed, facts), run.new) for pair, run in both]
        checking = Checking(
            before.parsed, after.parsed, facts, dialect=dialect, dropped=dropped or {}, rounding=rounding or Rounding()
        )
        return checking.all(runs, mixed)


@dataclass(frozen=True)
class Run:
    """Both projects over the same Commercial-only rows."""

    data: DataSet
    old: Built
    new: Built


@dataclass(frozen=True)
class Mixed:
    """The old project over all rows, and the new one over the Commercial ones of them."""

    pair: Pair
    old: Built
    new: Built


class Checking:
    """Compares what was built."""

    def __init__(
        self,
        old: Parsed,
        new: Parsed,
        facts: Facts,
        *,
        dialect: str,
        dropped: Mapping[str, Sequence[str]],
        rounding: Rounding,
    ) -> None:
        self._old = old
        self._new = new
        self._facts = facts
        self._dialect = dialect
        self._dropped = dropped
        self._rounding = rounding
        self._relations: Mapping[str, Relation] = relations(old, facts, dialect)
        tables = {s.name: tuple(s.columns) for s in old.sources.values()}
        tables.update({n.name: () for n in old.nodes.values() if n.resource == "seed"})
        self._outputs, _ = read({n.name: n.raw for n in _models(old)}, tables, dialect)
        owned = owned_keys(old, facts, uses_of(old, dialect))
        declared = {(t.lower(), c.lower()) for t, known in facts.tables.items() for c in known.columns}
        self._segments = Segments(owned | declared, frozenset(t.lower() for t, k in facts.tables.items() if k.columns))
        self._owned = owned
        self._done: dict[str, ModelCheck] = {}

    def all(self, runs: Sequence[Run], mixed: Sequence[Mixed]) -> list[ModelCheck]:
        """A check for each model."""
        for node in (
            *self._old.nodes.values(),
            *(n for n in self._new.nodes.values() if n.name not in self._old.nodes),
        ):
            check = self._check(node, runs)
            compared = node.name in self._old.nodes and node.name in self._new.nodes
            if compared and check.verdict is not Verdict.not_run:
                check = check.model_copy(update={"decision": self._decide(node, mixed, check)})
            self._done[node.name] = check
        broken = [f for f in (*self._old.failures, *self._new.failures) if f.model not in self._done]
        for failure in broken:
            self._done[failure.model] = _not_run(failure.model, failure.path, [failure])
        return list(self._done.values())

    # First claim

    def _check(self, node: Node, runs: Sequence[Run]) -> ModelCheck:
        name = node.name
        failures = [f for run in runs for built in (run.old, run.new) if (f := built.failure(name)) is not None]
        failures += [f for f in (*self._old.failures, *self._new.failures) if f.model == name]
        if failures:
            return _not_run(name, node.path, failures)
        if name not in self._old.nodes:
            return ModelCheck(
                name=name, path=node.path, verdict=Verdict.different, differences=("is not in the old project",)
            )
        if node.materialized == "ephemeral":
            reason = "ephemeral: it is no table and is compared through the models that read it"
            return ModelCheck(name=name, path=node.path, verdict=Verdict.not_run, reasons=(reason,))
        if name not in self._new.nodes:
            return self._taken_out(node, runs)
        undecidable, unread = self._undecidable(name, runs)
        columns = _columns_of(undecidable, node)
        found = [(run.data.name, self._compare(node, run, columns)) for run in runs]
        if any(difference is None for _, difference in found):
            reason = "one of the projects has no table of it"
            return ModelCheck(name=name, path=node.path, verdict=Verdict.not_run, reasons=(reason,))
        return self._verdict(node, [(n, d) for n, d in found if d is not None], undecidable, unread)

    def _taken_out(self, node: Node, runs: Sequence[Run]) -> ModelCheck:
        counted = [self._count(run.old, node.name) for run in runs]
        rows = sum(counted)
        readers = [n.name for n in self._new.nodes.values() if node.name in n.upstream]
        problems = [f"was taken out and has {rows} Commercial rows"] if rows else []
        problems += [f"was taken out and {reader} still reads it" for reader in readers]
        verdict = Verdict.different if problems else Verdict.gone
        return ModelCheck(name=node.name, path=node.path, verdict=verdict, old_rows=rows, differences=tuple(problems))

    def _count(self, built: Built, name: str) -> int:
        with duckdb.connect(str(built.results), read_only=True) as connection:
            found = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()  # noqa: S608 - quoted
        return found[0] if found else 0

    def _compare(self, node: Node, run: Run, unread: frozenset[str]) -> Difference | None:
        before, after = (built.columns().get(node.name) for built in (run.old, run.new))
        if before is None or after is None:
            return None
        key = next(iter(node.keys or self._new.nodes[node.name].keys), ())
        with _both(run.old, run.new) as connection:
            return compare(
                connection,
                Side(f"old.{quoted(node.name)}", before),
                Side(f"new.{quoted(node.name)}", after),
                key=key,
                dropped=self._dropped.get(node.name, ()),
                unread=unread,
                rounding=self._rounding,
            )

    def _verdict(
        self,
        node: Node,
        found: Sequence[tuple[str, Difference]],
        undecidable: Sequence[Undecidable],
        unread: str | None,
    ) -> ModelCheck:
        schema = dict.fromkeys(s for _, d in found for s in d.schema)
        rows = [f"{name}: {s}" for name, d in found for s in d.sentences if s not in schema]
        upstream = [u for u in node.upstream if u in self._done]
        differs = [u for u in upstream if self._done[u].verdict is Verdict.different]
        unsure = [
            u for u in upstream
            if self._done[u].verdict is Verdict.not_decidable and self._done[u].seen_equal is False
        ]  # fmt: skip
        reasons = [f"line {u.line}: {u.expression} {u.reason}" for u in undecidable]
        reasons += [f"reads {u}, which came out differently and is not decidable" for u in unsure]
        reasons += [unread] if unread else []
        whole = bool(unsure) or unread is not None or any(u.columns is None for u in undecidable)
        old_rows, new_rows = sum(d.rows[0] for _, d in found), sum(d.rows[1] for _, d in found)
        if schema or (rows and not whole):
            verdict = Verdict.different
        elif reasons:
            verdict = Verdict.not_decidable
        else:
            verdict = Verdict.equal if old_rows else Verdict.no_rows
        return ModelCheck(
            name=node.name,
            path=node.path,
            verdict=verdict,
            old_rows=old_rows,
            new_rows=new_rows,
            differences=(*schema, *rows),
            examples=tuple(dict.fromkeys(e for _, d in found for e in d.examples))[:10],
            rounded=sum(d.rounded for _, d in found),
            reasons=tuple(reasons),
            not_determined=tuple(
                NotDetermined(
                    line=u.line, expression=u.expression, reason=u.reason, columns=tuple(sorted(u.columns or ()))
                )
                for u in undecidable
            ),
            seen_equal=not rows and not schema if reasons else None,
            differs_upstream=tuple(differs),
        )

    def _undecidable(self, name: str, runs: Sequence[Run]) -> tuple[list[Undecidable], str | None]:
        """What the data does not determine, in either text; and why a text could not be read, where none could."""
        found: dict[str, Undecidable] = {}
        for parsed, built in ((self._old, runs[0].old), (self._new, runs[0].new)):
            node = parsed.nodes[name]
            if node.resource == "seed":
                continue
            keys = {n.name.lower(): n.keys for n in (*parsed.nodes.values(), *parsed.sources.values())}
            compiled = _by_our_names(built.compiled.get(name, ""), parsed)
            queries = [q for text in (node.raw, compiled) if (q := self._query(text, each_an_input)) is not None]
            if not queries:
                return [], "its text could not be read, so that nobody knows whether the data determines it"
            for place, query in enumerate(queries):
                for one in find(query, keys):
                    line = one.line if place == 0 else 0
                    found.setdefault(one.expression, Undecidable(line, one.expression, one.reason, one.columns))
        return list(found.values()), None

    def _query(self, text: str, inputs: Inputs) -> Query | None:
        try:
            return Query(text, self._dialect, inputs) if text.strip() else None
        except (NotParsed, JinjaError):
            return None

    # Second claim

    def _decide(self, node: Node, mixed: Sequence[Mixed], check: ModelCheck) -> Decision:
        clauses = self._clauses(node)
        owner = node.owner
        if not mixed:
            return Decision(claim=SecondClaim.not_compared, owner=owner, reason="no mixed rows", clauses=clauses)
        unread = frozenset(c for n in check.not_determined for c in n.columns) | _columns_of((), node)
        examples: list[str] = []
        filters: Filters = {}
        for one in mixed:
            failure = one.old.failure(node.name) or one.new.failure(node.name)
            if failure is not None:
                reason = f"not built over all rows: {failure.message.splitlines()[0]}"
                return Decision(claim=SecondClaim.not_compared, owner=owner, reason=reason, clauses=clauses)
            filters = enterprise_filters(node.name, self._relations, self._outputs, self._owned, one.pair)
            difference = self._filtered(node, one, filters, unread)
            if not difference.same_rows:
                examples += [f"{one.pair.mixed.name}: {e}" for e in difference.examples]
        by = tuple(sorted(filters))
        if check.verdict is Verdict.not_decidable and any(not n.columns for n in check.not_determined):
            reason = "the data does not determine which rows it has"
            return Decision(claim=SecondClaim.not_compared, owner=owner, reason=reason, filtered_by=by, clauses=clauses)
        if not examples:
            claim = SecondClaim.holds_on_data if clauses else SecondClaim.holds
            return Decision(claim=claim, owner=owner, filtered_by=by, clauses=clauses)
        reason = (
            "Commercial rows depend on Enterprise rows"
            if by and clauses
            else "no clause explains the difference: the columns filtered by may not tell every Enterprise row"
            if by
            else "no column tells the segment of a row: rows and totals of Enterprise cannot be filtered out"
        )
        return Decision(
            claim=SecondClaim.decision,
            owner=owner,
            reason=reason,
            filtered_by=by,
            clauses=clauses,
            examples=tuple(examples[:10]),
        )

    def _filtered(self, node: Node, one: Mixed, filters: Filters, unread: frozenset[str]) -> Difference:
        before, after = (built.columns()[node.name] for built in (one.old, one.new))
        with _both(one.old, one.new) as connection:
            conditions = [
                f"({quoted(column)} IS NULL OR CAST({quoted(column)} AS VARCHAR) NOT IN ({_listed(values)}))"
                for column, values in sorted(filters.items())
                if values and column in {c.lower() for c in before}
            ]
            where = " AND ".join(conditions) or "true"
            table = f"old.{quoted(node.name)}"
            connection.execute(f"CREATE TEMP VIEW filtered AS FROM {table} WHERE {where}")
            dropped = [c for c in before if c.lower() not in {a.lower() for a in after}]
            return compare(
                connection,
                Side("filtered", before),
                Side(f"new.{quoted(node.name)}", after),
                dropped=dropped,
                unread=unread,
                rounding=self._rounding,
            )

    def _clauses(self, node: Node) -> tuple[Clause, ...]:
        """Where rows of both segments meet: in the model itself, else in those it reads."""
        query = self._query(node.raw, lambda table: self._outputs.get(table.lower(), Outputs()))
        own = [_clause(node, m) for m in meetings(query, self._segments)] if query is not None else []
        inherited = [c for u in node.upstream if (check := self._done.get(u)) for c in check.decision.clauses]
        return tuple(dict.fromkeys([*own, *inherited]))


def _clause(node: Node, meeting: Meeting) -> Clause:
    return Clause(model=node.name, line=meeting.line, text=meeting.clause, reason=meeting.reason)


def _models(parsed: Parsed) -> list[Node]:
    return [n for n in parsed.nodes.values() if n.resource != "seed"]


def _columns_of(undecidable: Sequence[Undecidable], node: Node) -> frozenset[str]:
    """The output columns, in lower case, that the data does not determine."""
    own = frozenset(c for u in undecidable for c in u.columns or ())
    return own | _TIME_OF_SNAPSHOT if node.resource == "snapshot" else own


def _not_run(name: str, path: str, failures: Sequence[Failure]) -> ModelCheck:
    said = dict.fromkeys(f"{f.path}:{f.line}: {' '.join(f.message.split())}" for f in failures)
    return ModelCheck(name=name, path=path, verdict=Verdict.not_run, reasons=tuple(said))


def _by_our_names(compiled: str, parsed: Parsed) -> str:
    for table in (*parsed.nodes.values(), *parsed.sources.values()):
        written = ".".join(quoted(p) for p in (table.place.database, table.place.schema, table.place.name))
        compiled = compiled.replace(written, quoted(table.name))
    return compiled


def _both(old: Built, new: Built) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{old.results}' AS old (READ_ONLY)")
    connection.execute(f"ATTACH '{new.results}' AS new (READ_ONLY)")
    return connection


def _listed(values: frozenset[str]) -> str:
    return ", ".join("'" + v.replace("'", "''") + "'" for v in sorted(values))
