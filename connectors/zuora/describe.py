"""What the tenant says about its objects: `/v1/describe/{Object}`, an XML document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree  # the tenant's own answer; entities are not expanded from outside

from connectors.answers import server_clock
from connectors.contract import Table
from connectors.errors import MgdwError, UnknownField, UnknownObject, UnreadableFile
from connectors.http import HttpSession
from connectors.source import SchemaDrift


@dataclass(frozen=True)
class ObjectSchema:
    """One object as this user may export it.

    Attributes:
        fields: exportable fields by lower-case name.
        parents: related objects by lower-case name; a query reaches their fields as `Parent.Field`.
        clock: Zuora's own time when it answered (UTC).
    """

    name: str
    fields: dict[str, str]
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

    def expressions(self, table: Table) -> dict[str, str]:
        """Every field of the contract with its name in queries. Raises UnknownField, naming all that are missing."""
        found = {field: self.expression(field) for field in table.fields}
        missing = tuple(field for field, expression in found.items() if expression is None)
        if missing:
            raise UnknownField(
                f"{table.name}: zuora object {self.name} lacks or does not export: {', '.join(missing)}",
                table=table.name,
                fields=missing,
            )
        return {field: expression for field, expression in found.items() if expression}

    def drift(self, table: Table) -> SchemaDrift:
        """Compare with the contract."""
        named = {field.lower() for field in table.fields}
        missing = tuple(field for field in table.fields if self.expression(field) is None)
        return SchemaDrift(table.name, missing, tuple(sorted(f for low, f in self.fields.items() if low not in named)))


async def describe(session: HttpSession, table: Table) -> ObjectSchema:
    """Ask for one object. Raises UnknownObject."""
    try:
        response = await session.request("GET", f"/v1/describe/{table.object}")
    except MgdwError as error:
        if error.facts.get("status") in (400, 404):
            raise _unknown(table, error.cause) from None
        raise
    schema = parse(response.content, server_clock(response) or datetime.now(UTC))
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
    fields = {
        field_name.lower(): field_name
        for field in root.iterfind("fields/field")
        if (field_name := (field.findtext("name") or "").strip()) and _is_exportable(field)
    }
    related = [(parent.findtext("name") or "").strip() for parent in root.iterfind("related-objects/object")]
    return ObjectSchema(name, fields, {parent.lower(): parent for parent in related if parent}, clock)


def _is_exportable(field: ElementTree.Element) -> bool:
    selectable = (field.findtext("selectable") or "true").strip().lower() == "true"
    return selectable and "export" in {(c.text or "").strip() for c in field.iterfind("contexts/context")}


def _unknown(table: Table, cause: str) -> UnknownObject:
    return UnknownObject(f"{table.name}: zuora has no object {table.object}: {cause}", table=table.name)
