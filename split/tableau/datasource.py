"""A data source as a workbook writes it: what it reads from, the fields it has, and where each comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from split.tableau.markup import Document, Element

PARAMETERS = "Parameters"
_PART = re.compile(r"\[((?:[^\]]|\]\])*)\]")
_DISAMBIGUATED = re.compile(r"(?P<column>.+) \((?P<table>.+)\)")
GENERATED = frozenset(
    {
        ":measure names", "measure names", "multiple values", "measure values", "number of records",
        "latitude (generated)", "longitude (generated)", "geometry (generated)", "geometry", "table name", "path",
        "file paths", "sheet",
    }
)  # fmt: skip
"""Fields that Tableau makes itself; their values are no brand."""


@dataclass(frozen=True)
class Origin:
    """Where a field comes from: the name of a relation of the data source (empty: its only one), and a column."""

    relation: str
    column: str


@dataclass(frozen=True)
class Connection:
    """A connection of a data source.

    Attributes:
        kind: Tableau's class of it, such as `bigquery`.
        name: of the published source, or the file; empty for a warehouse.
    """

    kind: str
    name: str = ""


@dataclass
class Datasource:
    """One data source of a document.

    Attributes:
        columns: the elements that define fields, by internal name without brackets.
        captions: internal names by the caption people see, lower case, where only one field has it.
        origins: by internal name, for fields that are no calculation.
        relation: the root of what it reads from; None where the document does not say.
    """

    document: Document
    element: Element
    name: str
    caption: str
    columns: dict[str, Element]
    captions: dict[str, str]
    origins: Mapping[str, Origin]
    relation: Element | None
    connections: Mapping[str, Connection] = field(default_factory=dict[str, Connection])

    def connection(self, relation: Element) -> Connection:
        """The connection that a relation reads through."""
        found = self.connections.get(relation.get("connection")) or self.connections.get("")
        return found or Connection("")

    def title(self, name: str) -> str:
        """What people call a field."""
        return self.titles.get(name.lower(), name)

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Captions by internal name in lower case."""
        return {name.lower(): column.get("caption") or name for name, column in self.columns.items()}

    def published_names(self) -> Iterator[str]:
        """Names by which a workbook may know this data source on a server."""
        for element in (self.element, self.element.first("repository-location")):
            yield from (element.get(key) for key in ("id", "formatted-name", "caption") if element is not None)
        yield from (c.name for c in self.connections.values() if c.kind == "sqlproxy")


def datasources(document: Document) -> list[Datasource]:
    """The data sources of a document, parameters aside."""
    root = document.root
    listed = (
        [root]
        if root.tag == "datasource"
        else [d for group in root.all("datasources") for d in group.all("datasource")]
    )
    return [_datasource(document, element) for element in listed if element.get("name") != PARAMETERS]


def parameters(document: Document) -> list[Element]:
    """The columns that define parameters."""
    return [
        column
        for group in document.root.all("datasources")
        for source in group.all("datasource")
        if source.get("name") == PARAMETERS
        for column in source.all("column")
        if "param-domain-type" in column.attributes
    ]


def bare(name: str) -> str:
    """A name without its brackets."""
    found = _PART.fullmatch(name)
    return found.group(1).replace("]]", "]") if found else name


def parts(name: str) -> list[str]:
    """The names between brackets: `[p.d].[t]` has three, for BigQuery writes two into one."""
    found = [part.replace("]]", "]") for part in _PART.findall(name)] or [name]
    return [piece for part in found[:-1] for piece in part.split(".")] + found[-1:]


def instance_field(instance: str) -> str:
    """The field of a column instance: `none:Brand:nk` is of `Brand`."""
    pieces = instance.split(":")
    return ":".join(pieces[1:-1]) if len(pieces) > 2 else instance


def _datasource(document: Document, element: Element) -> Datasource:
    connection = element.first("connection")
    columns = {bare(c.get("name")): c for c in element.all("column") if c.get("name")}
    named = _captions(columns)
    name = element.get("name") or element.get("formatted-name")
    return Datasource(
        document,
        element,
        name,
        element.get("caption") or element.get("formatted-name") or name,
        columns,
        named,
        _origins(document, element, connection),
        _relation(connection) if connection is not None else None,
        dict(_connections(element, connection)) if connection is not None else {},
    )


def _captions(columns: Mapping[str, Element]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, column in columns.items():
        found.setdefault(column.get("caption", name).lower(), []).append(name)
    return {caption: names[0] for caption, names in found.items() if len(names) == 1}


def _connections(element: Element, connection: Element) -> Iterator[tuple[str, Connection]]:
    location = element.first("repository-location")
    published = location.get("id") if location is not None else ""
    kind, name = connection.get("class"), connection.get("dbname") or connection.get("filename")
    yield "", Connection(kind, (name or published) if kind == "sqlproxy" else _stem(name))
    for named in connection.walk():
        inner = named.first("connection") if named.tag == "named-connection" else None
        if inner is not None:
            file = inner.get("filename") or inner.get("dbname")
            yield named.get("name"), Connection(inner.get("class"), _stem(file))


def _stem(file: str) -> str:
    return PurePosixPath(file.replace("\\", "/")).stem


def _relation(connection: Element) -> Element | None:
    """The relation that the newest Tableau reads: the one behind a feature's `true`, or the plain one."""
    found = list(connection.all("relation"))
    return next(iter(sorted(found, key=_is_for_older)), None)


def _is_for_older(element: Element) -> bool:
    return element.feature is not None and not element.feature[1]


def _origins(document: Document, element: Element, connection: Element | None) -> dict[str, Origin]:
    """From the connection's own records first, then from those of the extract."""
    found: dict[str, Origin] = {}
    extract = element.first("extract", "connection")
    for place in (connection, extract):
        if place is None:
            continue
        for record in place.walk():
            if record.tag == "metadata-record" and record.get("class") == "column":
                cells = {child.tag: document.text(child) for child in record.children if child.has_text}
                parent = cells.get("family" if place is extract else "parent-name", "")
                if local := bare(cells.get("local-name", "")):
                    found.setdefault(local, Origin(bare(parent), cells.get("remote-name", local)))
        for pair in place.walk():
            if pair.tag == "map" and place is not extract and (value := parts(pair.get("value"))):
                relation = value[-2] if len(value) > 1 else ""
                found.setdefault(bare(pair.get("key")), Origin(relation, value[-1]))
    return found


def guessed_origins(name: str) -> Iterator[Origin]:
    """Where a field without a record may come from: `Brand (orders)` is a second column of that name."""
    if found := _DISAMBIGUATED.fullmatch(name):
        yield Origin(found["table"], found["column"])
    yield Origin("", name)
