"""What the run form of the Prefect UI asks for, as types of flow parameters.

The form is made from each flow's JSON schema: an array of an enum is a list to tick, a date a calendar. Python's own
`| None` would be a switch between `list` and `None`; so an empty list or text stands for "all" or "none", and where
nothing else will do, the two sides of the switch have names. The form takes its labels from the parameters' names and
its help from the docstrings (plain text: backticks would be shown).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from connectors.contract import Contract
from connectors.errors import MgdwError
from flows.settings import FlowSettings
from flows.sources import SOURCES, SourceName


def choice(names: Sequence[str]) -> WithJsonSchema:
    """Any of these names, each once. Without names, any texts."""
    item: dict[str, Any] = {"type": "string"}
    if names:
        item["enum"] = list(names)
    return WithJsonSchema({"type": "array", "items": item, "uniqueItems": True})


def one_or(something: str, schema: dict[str, Any], nothing: str) -> WithJsonSchema:
    """A switch between a value and nothing, with the names that its two sides have in the form."""
    return WithJsonSchema({"anyOf": [{**schema, "title": something}, {"type": "null", "title": nothing}]})


def table_names(source: SourceName | None = None) -> tuple[str, ...]:
    """STG tables of a source, or of all; none while the contract cannot be read, which the run itself says in words."""
    try:
        contract: Contract = FlowSettings.from_environment().contract()
    except MgdwError:
        return ()
    return tuple(table.name for table in (contract.of(source) if source else contract.tables))


def _one_table() -> dict[str, Any]:
    return {"type": "string", "enum": list(table_names())} if table_names() else {"type": "string"}


Texts = Annotated[Sequence[str] | None, choice(())]
Text = Annotated[str | None, WithJsonSchema({"type": "string"})]
Count = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": 100_000})]
Sources = Annotated[Sequence[SourceName] | None, choice(SOURCES)]

Tables = Annotated[Sequence[str] | None, choice(table_names())]
SalesforceTables = Annotated[Sequence[str] | None, choice(table_names("salesforce"))]
NetSuiteTables = Annotated[Sequence[str] | None, choice(table_names("netsuite"))]
ZuoraTables = Annotated[Sequence[str] | None, choice(table_names("zuora"))]
S3Tables = Annotated[Sequence[str] | None, choice(table_names("s3"))]
OneTable = Annotated[str, WithJsonSchema(_one_table())]
OneTableOrAll = Annotated[str | None, one_or("one table", _one_table(), "all tables")]

DateOrNow = Annotated[date | None, one_or("a day", {"type": "string", "format": "date"}, "now")]
PathOrNone = Annotated[Path | None, one_or("a path", {"type": "string", "format": "path"}, "none")]
