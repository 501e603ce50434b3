"""What the names in a query stand for: relations of FROM and their columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.netsuite.errors import invalid_query
from sandbox.netsuite.schema import SCHEMA, Field, Kind, Record
from sandbox.netsuite.suiteql.query import Value
from sandbox.netsuite.suiteql.session import Session

_DISPLAYED = {
    ("transaction", "entity"): ("customer", "companyname"),
    ("transaction", "custbody_applied_invoice"): ("transaction", "tranid"),
    ("subscription", "customer"): ("customer", "companyname"),
    ("customer", "parent"): ("customer", "companyname"),
}
"""Reference fields, and the field of the other record that BUILTIN.DF shows."""


@dataclass(frozen=True)
class Relation:
    """One entry of FROM.

    Attributes:
        alias: its name in the DuckDB query.
        sql: table expression with the alias.
        columns: by lower-case name, in order.
        record: record name where it is a record, for messages.
        order: ORDER BY terms that keep the order a derived table came in.
    """

    alias: str
    sql: str
    columns: dict[str, Value]
    record: str = ""
    order: tuple[str, ...] = ()


@dataclass
class Scope:
    """The relations of one SELECT by the names the query gives them; `outer` is the enclosing SELECT's."""

    outer: Scope | None = None
    relations: dict[str, Relation] = field(default_factory=dict[str, Relation])

    def add(self, name: str, relation: Relation) -> None:
        """Make a relation known. Raises RestError when the name is taken."""
        if name in self.relations:
            raise invalid_query(f"Duplicate table alias '{name}'.")
        self.relations[name] = relation

    def relation(self, name: str) -> Relation | None:
        """The relation of that name here or further out."""
        return self.relations.get(name) or (self.outer.relation(name) if self.outer else None)

    def column(self, name: str, table: str | None) -> Value:
        """What a column name stands for. Raises RestError when it is unknown or ambiguous."""
        if table is not None:
            relation = self.relation(table)
            if relation is None:
                raise invalid_query(f"Unknown identifier '{table}'.")
            if name not in relation.columns:
                raise _unknown_field(name, relation)
            return relation.columns[name]
        found = [relation for relation in self.relations.values() if name in relation.columns]
        if len(found) > 1:
            raise invalid_query(f"Ambiguous identifier '{name}'.")
        if found:
            return found[0].columns[name]
        if self.outer:
            return self.outer.column(name, None)
        raise _unknown_field(name, next(iter(self.relations.values())))


def record_relation(record: Record, alias: str, session: Session) -> Relation:
    """A record type as a relation: live rows, flags as T and F, stamps in local time."""
    shown = [f'{_converted(f, session)} AS "{f.name}"' for f in record.fields]
    live = " WHERE _deleted_at IS NULL" if record.has_tombstones else ""
    sql = f'(SELECT {", ".join(shown)} FROM {SCHEMA}."{record.table}"{live}) AS {alias}'
    columns = {f.name: _column(record, f, alias, session) for f in record.fields}
    return Relation(alias, sql, columns, record=record.name)


def dual(alias: str) -> Relation:
    """DUAL: one row, one column."""
    return Relation(alias, f"(SELECT 'X' AS dummy) AS {alias}", {"dummy": Value(f"{alias}.dummy", Kind.TEXT)}, "dual")


def _converted(field: Field, session: Session) -> str:
    column = f'"{field.column}"'
    if field.kind is Kind.BOOLEAN:
        return f"CASE {column} WHEN true THEN 'T' WHEN false THEN 'F' END"
    return session.local(column) if field.kind is Kind.DATETIME else column


def _column(record: Record, field: Field, alias: str, session: Session) -> Value:
    sql = f'{alias}."{field.name}"'
    display: str | None = None
    if field.kind is Kind.BOOLEAN:
        display = f"CASE {sql} WHEN 'T' THEN 'Yes' WHEN 'F' THEN 'No' END"
    elif shown := _DISPLAYED.get((record.name, field.name)):
        other = session.schema.record(shown[0])
        if other and any(f.name == shown[1] for f in other.fields):
            named = f'SELECT any_value(CAST("{shown[1]}" AS VARCHAR))'
            display = f'({named} FROM {SCHEMA}."{other.table}" WHERE id = {sql})'
    return Value(sql, field.kind, display=display)


def _unknown_field(name: str, relation: Relation) -> Exception:
    where = f" for record '{relation.record}'" if relation.record else ""
    return invalid_query(f"Field '{name}'{where} was not found. Reason: REMOVED - Field is removed.")
