"""Old and new project built over the same rows and compared, model by model.

First claim: on Commercial-only rows new is what old is. Second claim: new is also what old makes of all rows, filtered
to Commercial (`split.verify.second_claim`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from split.dbt.build import Builder, Built, Failure, Node, Parsed
from split.dbt.process import DbtProcess
from split.facts import Facts
from split.sql.mask import JinjaError
from split.sql.spans import NotParsed
from split.verify.check_model import ModelCheck, NotDetermined, Verdict
from split.verify.compare import Difference, Rounding, Side, compare
from split.verify.data import Schema, generate
from split.verify.data_set import DataSet, quoted
from split.verify.extracts import read_extracts
from split.verify.lineage import Inputs, Query
from split.verify.second_claim import Mixed, SecondClaims, both_attached, columns_of
from split.verify.undecidable import Undecidable, each_an_input, find


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
        extracts: folders of Commercial-only rows (`split.verify.extracts.read_extracts`), for the first claim.
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
        mixed = [
            Mixed(pair, before.build(pair.mixed, facts), before.build(pair.enterprise, facts), run.new)
            for pair, run in both
        ]
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
        self._second = SecondClaims(old, facts, dialect, self._rounding)
        self._done: dict[str, ModelCheck] = {}

    def all(self, runs: Sequence[Run], mixed: Sequence[Mixed]) -> list[ModelCheck]:
        """A check for each model."""
        for node in (
            *self._old.nodes.values(),
            *(n for n in self._new.nodes.values() if n.name not in self._old.nodes),
        ):
            check = self._check(node, runs)
            if node.name in self._old.nodes and node.name in self._new.nodes:
                check = check.model_copy(update={"decision": self._second.decide(node, mixed, check, self._done)})
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
        columns = columns_of(undecidable, node)
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
        with both_attached(old=run.old, new=run.new) as connection:
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


def _not_run(name: str, path: str, failures: Sequence[Failure]) -> ModelCheck:
    said = dict.fromkeys(f"{f.path}:{f.line}: {' '.join(f.message.split())}" for f in failures)
    return ModelCheck(name=name, path=path, verdict=Verdict.not_run, reasons=tuple(said))


def _by_our_names(compiled: str, parsed: Parsed) -> str:
    for table in (*parsed.nodes.values(), *parsed.sources.values()):
        written = ".".join(quoted(p) for p in (table.place.database, table.place.schema, table.place.name))
        compiled = compiled.replace(written, quoted(table.name))
    return compiled
