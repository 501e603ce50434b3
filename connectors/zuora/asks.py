"""What to ask for one batch: which fields, with deleted rows or with keys. And what Zuora has refused so far.

Deleted rows come flagged among the others, for 30 days. Where Zuora does not show them (its own pages contradict each
other on stateless jobs, and some objects never do), or no longer knows them, the keys of all living rows are fetched
in the same job, so that keys and rows are of one state, and the warehouse finds what is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.errors import MgdwError, PermissionMissing, UnknownField
from connectors.window import Window
from connectors.zuora import sql, zoql
from connectors.zuora.aqua import JobResult, Query
from connectors.zuora.classify import DeletesUnsupported, refused_field, refused_query
from connectors.zuora.settings import ZuoraSettings

DELETED_KEPT = timedelta(days=29)
"""How far back deleted rows are known for certain: 30 days, less one for clocks and the run itself."""
_ENOUGH = 200
"""Characters of a query that tell it from others."""


@dataclass(frozen=True)
class Ask:
    """One batch that is not in the lake.

    Attributes:
        name: unique in the extract.
        expressions: how a query names each field to fetch.
        clock: Zuora's own time (UTC).
        tries: how often its files turned out to be useless.
    """

    request: BatchRequest
    name: str
    expressions: Mapping[str, str]
    clock: datetime
    tries: int = 0

    @property
    def table(self) -> Table:
        """The table of the batch."""
        return self.request.table


@dataclass(frozen=True)
class Form:
    """An ask as queries of one job.

    Attributes:
        fields: the fields in the rows query, with their names there.
        rows: the rows of the window; None where only keys are wanted.
        keys: the keys of all living rows; None where they are not needed.
        identity: key fields and cursor, with their names in queries.
        warnings: what a reader of the manifest should know.
    """

    ask: Ask
    fields: Mapping[str, str]
    identity: Mapping[str, str]
    rows: Query | None
    keys: Query | None
    warnings: tuple[str, ...] = ()

    @property
    def queries(self) -> tuple[Query, ...]:
        """One or two queries."""
        return tuple(query for query in (self.rows, self.keys) if query)

    def problem(self, job: JobResult) -> MgdwError | None:
        """Why the job has not all the batch needs."""
        return next((job.failures[query.name] for query in self.queries if query.name in job.failures), None)


class Forms:
    """Fills in forms, with what was refused so far left out. Lives as long as a run."""

    def __init__(self, settings: ZuoraSettings) -> None:
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self._keys_every = timedelta(hours=settings.keys_every_hours)
        self._without_deletes: dict[str, str] = {}
        self._everywhere: str | None = None
        self._may_switch = settings.data_query
        self._no_aqua: str | None = None
        self._refused: set[tuple[str, str]] = set()

    @property
    def by_data_query(self) -> bool:
        """Whether the queries are SQL, for Data Query."""
        return self._no_aqua is not None

    def form(self, ask: Ask) -> Form:
        """The queries of a batch."""
        request, table = ask.request, ask.table
        identity = _identity(ask)
        if self.by_data_query:
            identity = {field: sql.column_of(text) for field, text in identity.items()}
        select_keys = sql.select_keys if self.by_data_query else zoql.select_keys
        keys = Query(f"{ask.name}-keys", table.object, select_keys(table, identity.values()))
        warnings = [f"read by Data Query, at a moment of its own: {self._no_aqua}"] if self.by_data_query else []
        if request.scope == "keys":
            return Form(ask, {}, identity, None, keys, tuple(warnings))
        hidden = self._everywhere or self._without_deletes.get(table.object)
        left_out = [field for field in request.extra if (table.object, field) in self._refused]
        fields = {field: text for field, text in ask.expressions.items() if field not in left_out}
        if self.by_data_query:
            fields = {field: sql.column_of(text) for field, text in fields.items()}
            text = sql.select_rows(table, request.window, self._overlap, fields.values(), deleted=hidden is None)
        else:
            text = zoql.select_rows(table, request.window, self._overlap, fields.values())
        with_keys = needs_keys(request, ask.clock, deletes=hidden is None, every=self._keys_every)
        if hidden is not None:
            instead = "the keys of all living rows were fetched instead" if with_keys else "keys were not due"
            warnings.append(f"deleted rows are not shown ({hidden}); {instead}")
        if left_out:
            warnings.append(f"described, but refused in queries: {', '.join(left_out)}")
        rows = Query(ask.name, table.object, text, deleted=hidden is None)
        return Form(ask, fields, identity, rows, keys if with_keys else None, tuple(warnings))

    def learn(self, error: MgdwError, forms: Sequence[Form]) -> bool:
        """Remember what the error says about the queries of `forms`. True when they would be others now."""
        if isinstance(error, DeletesUnsupported):
            self._learn_deletes(error, [form.ask.table.object for form in forms])
        elif isinstance(error, UnknownField):
            self._learn_field(error, forms)
        elif isinstance(error, PermissionMissing) and error.facts.get("code") == "90009" and self._may_switch:
            self._no_aqua = error.cause
        return any(self.form(form.ask) != form for form in forms)

    def _learn_deletes(self, error: DeletesUnsupported, objects: Sequence[str]) -> None:
        named = {name for name in objects if re.search(rf"\b{re.escape(name)}\b", error.cause)}
        if error.facts.get("code") == "90012" or not named:
            self._everywhere = error.cause
        else:
            self._without_deletes |= dict.fromkeys(named, error.cause)

    def _learn_field(self, error: UnknownField, forms: Sequence[Form]) -> None:
        asking = suspects(error, forms)
        if not asking and len(forms) == 1:
            # The one query cannot be read, and nobody says why: what nobody needs goes first.
            asking = [(forms[0], extra) for extra in forms[0].ask.request.extra]
        self._refused |= {(form.ask.table.object, name) for form, name in asking if name in form.ask.request.extra}


def suspects(error: MgdwError, forms: Sequence[Form]) -> list[tuple[Form, str]]:
    """The forms that ask for the field the error names, with the field; only those of the query it quotes, if any."""
    field, quoted = refused_field(error.cause), refused_query(error.cause)[:_ENOUGH]
    if field is None:
        return []
    meant = [form for form in forms if any(q.text.lower().startswith(quoted) for q in form.queries)] or forms
    return [(form, name) for form in meant if (name := _asks_for(form, field)) is not None]


def needs_keys(request: BatchRequest, clock: datetime, *, deletes: bool, every: timedelta) -> bool:
    """Whether the keys of all living rows are fetched along with a window.

    A snapshot holds them all, and a window that is read a second time (a label) had its deletions before.

    Args:
        clock: Zuora's own time.
        deletes: whether Zuora shows deleted rows of the object.
        every: how often keys are wanted where it does not.
    """
    window = request.window
    if window.lo is None or request.label:
        return False
    return clock - window.lo > DELETED_KEPT or (not deletes and is_due(window, every))


def is_due(window: Window, every: timedelta) -> bool:
    """True for the one window in which a period of that length ends (counted from 1970, UTC).

    Windows follow each other without gaps, so that something done in each such window is done once a period,
    and nobody needs to remember when it was done last.
    """
    if window.lo is None or not every:
        return True
    return window.hi.timestamp() // every.total_seconds() > window.lo.timestamp() // every.total_seconds()


def _asks_for(form: Form, field: str) -> str | None:
    """The field of the form that a query calls so, with or without the object's name before it."""
    wanted = field.lower().removeprefix(f"{form.ask.table.object.lower()}.")
    return next((name for name, text in {**form.fields, **form.identity}.items() if text.lower() == wanted), None)


def _identity(ask: Ask) -> dict[str, str]:
    columns = [*ask.table.primary_key, *([ask.table.cursor] if ask.table.cursor else [])]
    fields = dict.fromkeys(ask.table.column(column).field for column in columns)
    return {field: ask.expressions[field] for field in fields}
