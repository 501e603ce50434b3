"""The facts held against the data, and as dbt tests that keep holding them against it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from split.dbt.yaml_text import Entry, NotYaml, read_yaml
from split.facts import ColumnFacts, Facts, Scalar, Segment
from split.report_model import Contradiction, FactsCheck, UnknownValue
from split.sql.literals import spelled_like

Query = Callable[[str], Iterable[Sequence[Any]]]
"""Runs SQL and returns its rows. May raise anything where the warehouse refuses."""


def check_facts(query: Query, facts: Facts, *, file: Path, relation: Callable[[str], str] = str) -> FactsCheck:
    """Hold every declared column against `select value, count(*)`.

    Args:
        file: the facts file, for the lines of what the data denies.
        relation: what the warehouse calls a table that the facts call so.
    """
    return _Checking(query, facts, file, relation).run()


def facts_tests(facts: Facts) -> str:
    """dbt tests, as YAML, that fail as soon as an input holds anything but declared Commercial values.

    Sources are listed as sources, everything else as models; add the entries to the project's own YAML, because dbt
    wants a source declared once.
    """
    sources: dict[str, list[dict[str, Any]]] = {}
    models: list[dict[str, Any]] = []
    for name, table in facts.tables.items():
        if not table.columns or table.only == "enterprise":
            continue
        columns = [{"name": c, "data_tests": _tests(f)} for c, f in table.columns.items()]
        source, _, rest = name.rpartition(".")
        if source:
            sources.setdefault(source, []).append({"name": rest, "columns": columns})
        else:
            models.append({"name": name, "columns": columns})
    content: dict[str, Any] = {"version": 2}
    if sources:
        content["sources"] = [{"name": name, "tables": tables} for name, tables in sources.items()]
    if models:
        content["models"] = models
    out = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(content, out)
    return out.getvalue()


def _tests(column: ColumnFacts) -> list[Any]:
    values: dict[str, Any] = {"values": list(column.commercial)}
    if not any(isinstance(v, str) for v in column.commercial):
        values["quote"] = False
    return [{"accepted_values": {"arguments": values}}, *([] if column.nullable else ["not_null"])]


class _Checking:
    """All columns of one facts file."""

    def __init__(self, query: Query, facts: Facts, file: Path, relation: Callable[[str], str]) -> None:
        self._query = query
        self._facts = facts
        self._file = file
        self._relation = relation
        self._lines = _lines(file)
        self._unknown: list[UnknownValue] = []
        self._denied: list[Contradiction] = []
        self._columns = 0

    def run(self) -> FactsCheck:
        for name, table in self._facts.tables.items():
            for column, facts in table.columns.items():
                counted = self._counted(name, column)
                if counted is not None:
                    self._columns += 1
                    self._compare(name, column, facts, counted, table.only)
            if not table.columns:
                self._rows(f"select 1 from {self._relation(name)} limit 1", name, "")  # noqa: S608
        return FactsCheck(unknown=tuple(self._unknown), contradictions=tuple(self._denied), columns=self._columns)

    def _counted(self, table: str, column: str) -> dict[Scalar | None, int] | None:
        sql = f"select {column} as value, count(*) as rows_counted from {self._relation(table)} group by 1"  # noqa: S608 - names from the reviewed facts file
        rows = self._rows(sql, table, column)
        if rows is None:
            return None
        counted: dict[Scalar | None, int] = {}
        for value, number in rows:
            plain = _plain(value)
            counted[plain] = counted.get(plain, 0) + int(number)
        return counted

    def _rows(self, sql: str, table: str, column: str) -> list[Sequence[Any]] | None:
        try:
            return list(self._query(sql))
        except Exception as error:  # noqa: BLE001 - every warehouse client has its own errors; each is reported
            what = " ".join(str(error).split())[:300]
            self._deny(table, column, f"{_place(table, column)} cannot be read: {what}")
            return None

    def _compare(
        self,
        table: str,
        column: str,
        facts: ColumnFacts,
        counted: dict[Scalar | None, int],
        only: Segment | None,
    ) -> None:
        texts = {v for v in (*facts.commercial, *facts.enterprise) if isinstance(v, str)}
        declared = {(type(v), v) for v in (*facts.commercial, *facts.enterprise)}
        for value, rows in sorted(counted.items(), key=lambda item: str(item[0])):
            if value is None:
                if not facts.nullable:
                    self._deny(
                        table, column, f"{_place(table, column)} is declared not null; {rows} rows have no value"
                    )
            elif (type(value), value) not in declared:
                like = spelled_like(value, texts) if isinstance(value, str) else _other_type(value, declared)
                unknown = UnknownValue(table=table, column=column, value=str(value), rows=rows, looks_like=like)
                self._unknown.append(unknown)
            elif only is not None and value in (facts.commercial if only == "enterprise" else facts.enterprise):
                message = f"{table} is declared to hold {only} rows only; {rows} rows have {column} = {value!r}"
                self._deny(table, "only", message)

    def _deny(self, table: str, place: str, message: str) -> None:
        line = self._lines.get((table.lower(), place.lower())) or self._lines.get((table.lower(), ""), 0)
        self._denied.append(Contradiction(path=str(self._file), line=line, message=message))


def _place(table: str, column: str) -> str:
    return f"{table}.{column}" if column else table


def _other_type(value: Scalar, declared: set[tuple[type, Scalar]]) -> str | None:
    return next((str(v) for _, v in declared if isinstance(v, str) and v == str(value)), None)


def _plain(value: Any) -> Scalar | None:
    """A value as the facts file would write it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal | float) and value == int(value):
        return int(value)
    return str(value)


def _lines(file: Path) -> dict[tuple[str, str], int]:
    """Lines of tables (second part empty), of their columns and of `only`."""
    try:
        tree = read_yaml(file.read_text(encoding="utf-8"))
    except (OSError, NotYaml):
        return {}
    tables = tree.get("tables") if tree is not None else None
    found: dict[tuple[str, str], int] = {}
    for name, table in tables.pairs() if tables is not None else ():
        found[name.text.lower(), ""] = name.line
        found.update(((name.text.lower(), place), line) for place, line in _inside(table))
    return found


def _inside(table: Entry) -> Iterator[tuple[str, int]]:
    for key, value in table.pairs():
        if key.text == "only":
            yield "only", key.line
        if key.text == "columns":
            yield from ((column.text.lower(), column.line) for column, _ in value.pairs())
