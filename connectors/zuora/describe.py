"""What the tenant says about its objects: `/v1/describe/{Object}`, an XML document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree  # the tenant's own answer; entities are not expanded from outside

from connectors.answers import server_clock
from connectors.contract import Column, DataType, Table
from connectors.errors import MgdwError, SourceUnavailable, UnknownField, UnknownObject, UnreadableFile
from connectors.http import HttpSession
from connectors.source import SchemaDrift

_FITTING = {
    DataType.INT64: {"integer"},
    DataType.NUMERIC: {"decimal", "integer"},
    DataType.BOOL: {"boolean"},
    DataType.DATE: {"date"},
    DataType.TIMESTAMP: {"datetime"},
}
"""Types by describe's names. A decimal is NUMERIC(22,9) at Zuora."""


def fits(zuora_type: str, column: Column) -> bool:
    """Whether every value of the type fits the column. A date is no instant: its midnight would need a zone."""
    return column.type is DataType.STRING or zuora_type.lower() in _FITTING[column.type]


@dataclass(frozen=True)
class ObjectSchema:
    """One object as this user may export it.

    Attributes:
        fields: exportable fields by lower-case name.
        types: their types by lower-case name, as describe calls them.
        parents: related objects by lower-case name; a query reaches their fields as `Parent.Field`.
        clock: Zuora's own time when it answered (UTC).
    """

    name: str
    fields: dict[str, str]
    types: dict[str, str]
    parents: dict[str, str]
    clock: datetime

    def expression(self, field: str) -> str | None:
        """How a query names a field of the contract; None if the object has none such.

        Keys of parents are not fields of their own in Export ZOQL: `AccountId` is asked for as `Account.Id`.
        """
        lower = field.lower()
        if lower in self.fields:
            return self.fields[lower]
        parent, _, own = lower.rpartition(".") if "." in lower else (lower.removesuffix("id"), "", "id")
        if parent not in self.parents or not lower.endswith(own):
            return None
        return f"{self.parents[parent]}.{'Id' if own == 'id' else field.rpartition('.')[2]}"

    def expressions(self, table: Table, fields: Iterable[str]) -> dict[str, str]:
        """Fields with their names in queries; fields that the contract does not name are left out if they are gone.

        Raises:
            UnknownField: fields of the contract are missing; names all of them.
        """
        found = {field: self.expression(field) for field in fields}
        missing = tuple(field for field, expression in found.items() if expression is None and field in table.fields)
        if missing:
            raise UnknownField(
                f"{table.name}: zuora object {self.name} lacks or does not export: {', '.join(missing)}",
                table=table.name,
                fields=missing,
            )
        return {field: expression for field, expression in found.items() if expression}

    def drift(self, table: Table) -> SchemaDrift:
        """Compare with the contract."""
        named = {field.lower(): field for field in table.fields}
        missing = tuple(field for field in table.fields if self.expression(field) is None)
        added = tuple(sorted(field for lower, field in self.fields.items() if lower not in named))
        types = {named.get(lower, self.fields[lower]): of for lower, of in self.types.items()}
        return SchemaDrift(table.name, missing, added, types)


async def describe(session: HttpSession, table: Table) -> ObjectSchema:
    """Ask for one object. Raises UnknownObject, SourceUnavailable."""
    try:
        response = await session.request("GET", f"/v1/describe/{table.object}")
    except MgdwError as error:
        if error.facts.get("status") in (400, 404):
            raise _unknown(table, error.cause) from None
        raise
    clock = server_clock(response)
    if clock is None:
        # Our own clock may be ahead of Zuora's, and rows would be stamped into a window that is loaded already.
        raise SourceUnavailable(
            f"{table.name}: zuora's answer carries no Date, so that nobody knows how far it is safe to read",
            remedy="Let the proxy between us and Zuora pass the Date header on.",
            table=table.name,
        )
    schema = parse(response.content, clock)
    if schema is None:
        raise _unknown(table, "the answer describes no object")
    return schema


def parse(document: bytes, clock: datetime) -> ObjectSchema | None:
    """Read the document; None if it describes no object. Raises UnreadableFile."""
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - see the import
    except ElementTree.ParseError as error:
        raise UnreadableFile(f"zuora: a description is no XML: {error}") from None
    name = (root.findtext("name") or "").strip()
    if root.tag != "object" or not name:
        return None
    nodes = {(node.findtext("name") or "").strip(): node for node in root.iterfind("fields/field")}
    exported = {field: node for field, node in nodes.items() if field and _is_exportable(node)}
    fields = {field.lower(): field for field in exported}
    types = {field.lower(): of for field, node in exported.items() if (of := (node.findtext("type") or "").strip())}
    related = [(parent.findtext("name") or "").strip() for parent in root.iterfind("related-objects/object")]
    return ObjectSchema(name, fields, types, {parent.lower(): parent for parent in related if parent}, clock)


def _is_exportable(field: ElementTree.Element) -> bool:
    selectable = (field.findtext("selectable") or "true").strip().lower() == "true"
    return selectable and "export" in {(c.text or "").strip() for c in field.iterfind("contexts/context")}


def _unknown(table: Table, cause: str) -> UnknownObject:
    return UnknownObject(f"{table.name}: zuora has no object {table.object}: {cause}", table=table.name)
