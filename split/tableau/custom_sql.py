"""Custom SQL of a data source, through the engine of the models, in the dialect of its connection."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from split.report_model import CutReport
from split.sql.engine import Kind, Lookup, classify
from split.sql.scope import Relation
from split.tableau.tables import Table, Tables

DIALECTS = {
    "bigquery": "bigquery", "redshift": "redshift", "snowflake": "snowflake", "postgres": "postgres",
    "greenplum": "postgres", "vertica": "postgres", "netezza": "postgres", "sqlserver": "tsql", "azure_sqldb": "tsql",
    "azure_sql_dw": "tsql", "mysql": "mysql", "oracle": "oracle", "teradata": "teradata", "athena": "athena",
    "presto": "presto", "prestodb": "presto", "trino": "trino", "starburst": "trino", "databricks": "databricks",
    "spark": "spark", "hadoophive": "hive", "exasolution": "exasol", "duckdb": "duckdb", "sqlite": "sqlite",
}  # fmt: skip
"""sqlglot's dialect for Tableau's class of connection."""

_PARAMETER = re.compile(r"<(\[Parameters\]\.\[(?:[^\]]|\]\])*\])>")
_MASKED = re.compile(r"\{\{ tableau_parameter_(\d+) \}\}")
_JINJA = re.compile(r"\{[{%#]")
_DOUBLED = re.compile(r"<<|>>")
_SINGLE = re.compile(r"(?<!<)(?:<<)*<(?!<)|(?<!>)(?:>>)*>(?!>)")


@dataclass(frozen=True)
class JudgedSql:
    """A query under the facts of both sides.

    Attributes:
        table: what is known of its result.
        new: the query without what only Enterprise rows reach; None where it stays.
        broken: line and reason where it could not be read.
    """

    table: Table
    kind: Kind
    new: str | None = None
    cuts: tuple[CutReport, ...] = ()
    left: tuple[str, ...] = ()
    broken: tuple[int, str] | None = None


def judge(text: str, name: str, connection: str, tables: Tables, dialect: str | None = None) -> JudgedSql:
    """A custom SQL as a workbook holds it.

    Args:
        name: of the relation.
        connection: Tableau's class of it.
        dialect: to be read as, whatever the connection is.
    """
    chosen = dialect or DIALECTS.get(connection.removesuffix("_odbc").removesuffix("_jdbc"))
    if chosen is None:
        why = f"the dialect of a {connection or 'nameless'} connection is not known: name it with --dialect"
        return _broken(name, 0, why)
    if _JINJA.search(text):
        return _broken(name, 1, "holds a brace that would be read as Jinja")
    written = _Written(text)
    unclear: dict[str, str] = {}
    found = classify(
        written.sql,
        _lookup(tables, unclear, commercial=True),
        _lookup(tables, unclear, commercial=False),
        dialect=chosen,
        words=tables.facts.enterprise_literals(),
    )
    ours, theirs = found.commercial, found.enterprise
    if ours is None or theirs is None:
        reason = found.reasons[0]
        return _broken(name, max(reason.line, 1), f"no query of the {chosen} dialect: {reason.reason}")
    left = [f"line {r.line}: {r.reason}" if r.line else r.reason for r in (found.reasons or ours.left)]
    kind = found.kind
    if kind is Kind.neutral and unclear:
        kind = Kind.unknown
    changed = ours.text if ours.cuts and kind in (Kind.mixed, Kind.commercial_only) else None
    return JudgedSql(
        Table(name, ours.result, theirs.result, next(iter(unclear.values()), "")),
        kind,
        written.restored(changed) if changed is not None else None,
        tuple(_shown(CutReport.of(cut), written) for cut in ours.cuts),
        (*left, *(unclear.values() if kind is Kind.unknown else ())),
    )


def _broken(name: str, line: int, why: str) -> JudgedSql:
    return JudgedSql(Table(name, unclear=f"the custom SQL {name}: {why}"), Kind.unknown, broken=(line, why))


def _lookup(tables: Tables, unclear: dict[str, str], *, commercial: bool) -> Lookup:
    def lookup(name: str) -> Relation | None:
        table = tables.find(name.split("."))
        if table.unclear:
            unclear[table.name] = table.unclear
        return table.commercial if commercial else table.enterprise

    return lookup


def _shown(cut: CutReport, written: _Written) -> CutReport:
    return cut.model_copy(update={"removed": written.restored(cut.removed), "added": written.restored(cut.added)})


@dataclass
class _Written:
    """A query as Tableau writes it: `<[Parameters].[P]>` is a parameter, and where there may be one, `<` is doubled.

    The engine sees parameters as Jinja, of which it knows nothing.
    """

    text: str
    parameters: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        rest = _PARAMETER.sub("", self.text)
        self._doubled = bool(_DOUBLED.search(rest)) and not _SINGLE.search(rest)
        masked = _PARAMETER.sub(self._mask, self.text)
        self.sql = masked.replace("<<", "<").replace(">>", ">") if self._doubled else masked

    def restored(self, sql: str) -> str:
        """The engine's text in Tableau's writing."""
        written = sql.replace("<", "<<").replace(">", ">>") if self._doubled else sql
        return _MASKED.sub(lambda found: f"<{self.parameters[int(found.group(1))]}>", written)

    def _mask(self, found: re.Match[str]) -> str:
        self.parameters.append(found.group(1))
        return f"{{{{ tableau_parameter_{len(self.parameters) - 1} }}}}"
