"""Checks one table of a contract file and builds it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.contract import vocabulary
from connectors.contract.checks import Checks
from connectors.contract.document import Value
from connectors.contract.files import FileRulesCheck
from connectors.contract.model import Column, DataType, FileRules, QualityRule, Table
from connectors.contract.rules import faults

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NOTHING = Value(0, {})


class TableCheck:
    """One table entry. `table` builds as much of it as can be understood."""

    def __init__(self, checks: Checks, source: str, entry: Value, freshness: Value | None = None) -> None:
        self._checks = checks
        self._freshness = freshness
        self._source = source
        self._entry = entry
        self._name = _named(entry)
        self._where = f"table {self._name!r}" if self._name else "table"
        config = entry.get("config")
        self._meta = (config.get("meta") if config else None) or _NOTHING

    def table(self) -> Table:
        """Check everything, then build the table."""
        checks, entry, meta = self._checks, self._entry, self._meta
        checks.keys(entry, vocabulary.TABLE, self._where)
        checks.text(entry, "name", "table")
        if self._name and not _NAME.fullmatch(self._name):
            checks.bad(entry, f"{self._where}: a name has lower case letters, digits and _ only")
        checks.keys(entry.get("config"), vocabulary.TABLE_CONFIG, f"config of {self._where}")
        if meta is _NOTHING:
            checks.bad(entry, f"{self._where}: config.meta is missing")
        checks.keys(meta, vocabulary.TABLE_META, f"meta of {self._where}")
        before = len(checks.problems)
        columns = self._columns()
        sound = columns if len(checks.problems) == before else []
        by_name = {column.name: column for column in columns}
        key = self._primary_key(by_name)
        prefix, kind = self._object(), self._format()
        return Table(
            source=self._source,
            name=self._name,
            description=checks.text(entry, "description", self._where),
            object=prefix,
            columns=tuple(
                Column(c.name, c.type, c.field, c.description, required=c.name in key) for c in by_name.values()
            ),
            primary_key=key,
            cursor=self._cursor(by_name),
            filter=self._optional_text("filter"),
            deleted_flag=self._typed("deleted_flag", by_name, DataType.BOOL),
            partition_by=self._partition(by_name),
            cluster_by=self._cluster(by_name),
            format=kind,
            quality=self._quality(sound),
            files=FileRulesCheck(checks, self._where, meta).rules(prefix, kind, self._freshness)
            if self._source in vocabulary.FILE_SOURCES
            else FileRules(),
        )

    def _columns(self) -> list[Column]:
        declared = self._entry.get("columns")
        if declared is None or not declared.items:
            self._checks.bad(declared or self._entry, f"{self._where} has no columns")
            return []
        columns: list[Column] = []
        names: dict[str, int] = {}
        fields: dict[str, str] = {}
        for entry in declared.items:
            column = self._column(entry)
            if column is None:
                continue
            if column.name in names:
                self._checks.bad(entry, f"column {column.name!r} occurs twice, before at line {names[column.name]}")
            elif column.field.lower() in fields:
                twin = fields[column.field.lower()]
                self._checks.bad(entry, f"columns {twin!r} and {column.name!r} have the same field {column.field!r}")
            names.setdefault(column.name, entry.line)
            fields.setdefault(column.field.lower(), column.name)
            columns.append(column)
        return columns

    def _column(self, entry: Value) -> Column | None:
        checks = self._checks
        name = checks.text(entry, "name", f"column of {self._where}")
        if not name:
            return None
        where = f"column {name!r}"
        checks.keys(entry, vocabulary.COLUMN, where)
        config = entry.get("config")
        checks.keys(config, vocabulary.COLUMN_CONFIG, f"config of {where}")
        meta = config.get("meta") if config else None
        checks.keys(meta, vocabulary.COLUMN_META, f"meta of {where}")
        if name.startswith("_"):
            checks.bad(entry, f"{where}: names with a leading _ are reserved for what the loader adds")
        elif not _NAME.fullmatch(name):
            checks.bad(entry, f"{where}: a name has lower case letters, digits and _ only")
        description = checks.text(entry, "description", where)
        kind = entry.get("data_type")
        if kind is None:
            checks.bad(entry, f"{where}: data_type is missing")
        known = kind and checks.one_of(kind, [str(t) for t in DataType], f"{where}: data_type")
        field = checks.text(meta, "field", f"meta of {where}") if meta and meta.get("field") else ""
        # With a type that is not known the other checks still need one; STRING is refused nowhere but as cursor.
        return Column(
            name,
            DataType(known or "STRING"),
            field or vocabulary.field_name(self._source, name),
            description,
        )

    def _primary_key(self, columns: dict[str, Column]) -> tuple[str, ...]:
        declared = self._meta.get("primary_key")
        if declared is None or declared.content in (None, []):
            self._checks.bad(declared or self._entry, f"{self._where} has no primary_key")
            return ()
        return self._checks.columns(declared, columns, f"primary_key of {self._where}")

    def _object(self) -> str:
        files = self._source in vocabulary.FILE_SOURCES
        wanted, foreign = ("prefix", ("object", "cursor", "filter", "deleted_flag")) if files else (
            "object", vocabulary.FILES_ONLY,
        )  # fmt: skip
        for key in foreign:
            value = self._meta.get(key)
            if value is not None:
                self._checks.bad(value, f"meta of {self._where}: {key} has no meaning for source {self._source!r}")
        name = self._checks.text(self._meta, wanted, f"meta of {self._where}") if self._meta is not _NOTHING else ""
        if files and name and not name.endswith("/"):
            self._checks.bad(self._meta.get(wanted) or self._entry, f"prefix of {self._where}: must end with /")
        return name

    def _cursor(self, columns: dict[str, Column]) -> str | None:
        if self._source in vocabulary.FILE_SOURCES:
            return None
        if self._meta is not _NOTHING and self._meta.get("cursor") is None:
            self._checks.bad(self._meta, f"{self._where} has no cursor")
        return self._typed("cursor", columns, DataType.TIMESTAMP)

    def _typed(self, key: str, columns: dict[str, Column], wanted: DataType) -> str | None:
        value = self._meta.get(key)
        if value is None:
            return None
        name = self._checks.column(value, columns, f"{key} of {self._where}")
        if name and columns[name].type is not wanted:
            self._checks.bad(value, f"{key} of {self._where}: {name!r} is {columns[name].type}, must be {wanted}")
        return name or None

    def _partition(self, columns: dict[str, Column]) -> tuple[str, str] | None:
        value = self._meta.get("partition_by")
        if value is None:
            return None
        where = f"partition_by of {self._where}"
        self._checks.keys(value, vocabulary.PARTITION, where)
        column, granularity = value.get("column"), value.get("granularity")
        if column is None or granularity is None:
            self._checks.bad(value, f"{where}: needs column and granularity")
            return None
        name = self._checks.column(column, columns, where)
        if not name:
            return None
        choices = vocabulary.GRANULARITIES.get(columns[name].type)
        if choices is None:
            self._checks.bad(column, f"{where}: {name!r} is {columns[name].type}, must be DATE or TIMESTAMP")
            return None
        return name, self._checks.one_of(granularity, choices, f"{where}: granularity")

    def _cluster(self, columns: dict[str, Column]) -> tuple[str, ...]:
        value = self._meta.get("cluster_by")
        names = self._checks.columns(value, columns, f"cluster_by of {self._where}")
        if value is not None and len(names) > vocabulary.MOST_CLUSTER_COLUMNS:
            self._checks.bad(value, f"cluster_by of {self._where}: at most {vocabulary.MOST_CLUSTER_COLUMNS} columns")
        return names

    def _format(self) -> str | None:
        if self._source not in vocabulary.FILE_SOURCES:
            return None
        value = self._meta.get("format")
        if value is None:
            self._checks.bad(self._meta if self._meta.line else self._entry, f"{self._where} has no format")
            return None
        return self._checks.one_of(value, vocabulary.FORMATS, f"format of {self._where}")

    def _quality(self, columns: Sequence[Column]) -> tuple[QualityRule, ...]:
        """The rules; tried out only with the columns of a table that is right so far."""
        declared = self._meta.get("quality")
        if declared is None:
            return ()
        where = f"quality of {self._where}"
        if not declared.items:
            self._checks.bad(declared, f"{where}: expected a list of name and expression")
        rules: dict[str, tuple[Value, QualityRule]] = {}
        for entry in declared.items:
            self._checks.keys(entry, vocabulary.RULE, where)
            rule = QualityRule(self._checks.text(entry, "name", where), self._checks.text(entry, "expression", where))
            if rule.name in rules:
                self._checks.bad(entry, f"{where}: {rule.name!r} occurs twice")
            elif rule.name and rule.expression:
                rules[rule.name] = entry, rule
        complete = tuple(rule for _, rule in rules.values())
        for name, reason in faults(complete, columns).items() if columns else ():
            self._checks.bad(rules[name][0], f"{where}: {name!r} does not run: {reason}")
        return complete

    def _optional_text(self, key: str) -> str | None:
        value = self._meta.get(key)
        return None if value is None else self._checks.text(self._meta, key, f"meta of {self._where}") or None


def _named(entry: Value) -> str:
    name = entry.get("name")
    return name.text or "" if name else ""
