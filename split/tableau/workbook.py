"""One document read whole: data sources, calculations, queries, filters, parameters, and the words that are left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from split.facts import Facts
from split.report_model import CutReport, Problem
from split.sql.engine import Kind
from split.sql.scope import Relation
from split.tableau.calculations import Definition, Fields, Judged
from split.tableau.custom_sql import JudgedSql, judge
from split.tableau.datasource import Datasource, bare, datasources
from split.tableau.items import Item, SourceReport, TableRead, WordPlace, WorkbookReport
from split.tableau.markup import Document, Element, Patch
from split.tableau.parameters import parameter_items
from split.tableau.reads import Published, Reading, Reads
from split.tableau.selections import Found, aliased, filter_field, grouped, selected
from split.tableau.tables import Table, Tables

_SHEETS = ("worksheet", "dashboard")


@dataclass
class Workbook:
    """A document as it was read, with the patches that take Enterprise out of it."""

    report: WorkbookReport
    patches: list[Patch]
    problems: list[Problem]
    published: dict[str, Table] = field(default_factory=dict[str, Table])


def read_workbook(
    document: Document, path: str, tables: Tables, published: Published, *, dialect: str | None = None
) -> Workbook:
    """Everything that the facts bear on in a document.

    Args:
        path: of the file, for people.
        published: data sources on a server that were given as files too.
        dialect: of all custom SQL; that of each connection otherwise.
    """
    return _Reading(document, path, tables, published, dialect).run()


class _Reading:
    """One document."""

    def __init__(
        self, document: Document, path: str, tables: Tables, published: Published, dialect: str | None
    ) -> None:
        self._document = document
        self._path = path
        self._tables = tables
        self._facts: Facts = tables.facts
        self._published = published
        self._dialect = dialect
        self._found: list[Found] = []
        self._covered: set[int] = set()
        """Elements whose words an item tells of."""
        self._fields: dict[str, Fields] = {}
        self._sources: list[SourceReport] = []
        self._uses = _uses(document)

    def run(self) -> Workbook:
        for source in datasources(self._document):
            self._source(source)
        self._filters()
        every = list(self._fields.values())
        parameters = list(parameter_items(self._document, every, self._facts))
        self._found += parameters
        self._covered |= _parameter_lists(self._document, {found.item.internal for found in parameters})
        unclear = {t.unclear for source in self._sources for t in source.tables if t.unclear}
        every_item = (_marked(found.item, unclear) for found in self._found)
        items = sorted(every_item, key=lambda i: (not i.unused, i.line))
        root = self._document.root
        report = WorkbookReport(
            path=self._path,
            build=root.get("source-build") or root.get("version"),
            sheets=sum(len(list(group.all("worksheet"))) for group in root.all("worksheets")),
            sources=tuple(self._sources),
            items=tuple(items),
            words=tuple(self._words()),
        )
        patches = {(p.start, p.end): p for found in self._found for p in found.patches}
        problems = [
            Problem(
                path=self._path,
                line=i.line,
                message=f"{i.datasource}: {i.what} {i.name!r}, its line {i.broken}: {i.left[0]}",
            )
            for i in items
            if i.broken
        ]
        published = {
            name.lower(): _as_table(fields)
            for fields in every
            for name in fields.source.published_names()
            if name and root.tag == "datasource"
        }
        return Workbook(report, list(patches.values()), problems, published)

    def _source(self, source: Datasource) -> None:
        queries: dict[str, JudgedSql] = {}

        def query(relation: Element) -> Table:
            text = self._document.text(relation)
            if text not in queries:
                kind = source.connection(relation).kind
                queries[text] = judge(text, relation.get("name"), kind, self._tables, self._dialect)
            return queries[text].table

        reads = Reading(source, self._tables, self._published, query).run()
        fields = Fields(source, reads, self._facts, _only_on_sheets(self._document, source), self._fields)
        self._fields[source.name.lower()] = fields
        self._queries(source, queries)
        self._calculations(fields)
        for group in source.element.all("group"):
            name = bare(group.get("name"))
            self._add(selected(self._document, group, fields, what="set", name=name, sheet=""), group)
        for column in source.columns.values():
            self._cover(column)
            if (item := grouped(column, fields)) is not None:
                self._add(Found(self._used(item, source)))
            for item in aliased(column, fields):
                self._add(Found(self._used(item, source)))
        self._sources.append(_told(fields, reads))

    def _queries(self, source: Datasource, queries: Mapping[str, JudgedSql]) -> None:
        """Every copy of a query: newer versions hold it once for older ones and once more in the object graph."""
        written: dict[str, list[Element]] = {}
        for element in source.element.walk():
            if element.tag == "relation" and element.get("type") == "text":
                written.setdefault(self._document.text(element), []).append(element)
        for text, copies in written.items():
            kind = source.connection(copies[0]).kind
            found = queries.get(text) or judge(text, copies[0].get("name"), kind, self._tables, self._dialect)
            patches = [p for copy in copies for p in self._document.set_text(copy, found.new or text)]
            item = Item(
                what="custom SQL",
                name=copies[0].get("name"),
                datasource=source.caption,
                line=copies[0].line,
                kind=found.kind,
                old=text,
                new=found.new,
                cuts=found.cuts,
                left=(found.broken[1],) if found.broken else found.left,
                broken=max(found.broken[0], 1) if found.broken else 0,
            )
            self._covered |= {id(copy) for copy in copies}
            self._add(Found(item, tuple(patches)))

    def _calculations(self, fields: Fields) -> None:
        used = _used_by(fields, self._uses.get(fields.source.name, {}), self._document)
        copies = _copies(self._document, fields.source)
        for key, definition in fields.definitions.items():
            if not definition.formula:
                continue
            for formula, elements in copies.get(key, {definition.formula: [definition.calculation]}).items():
                is_first = formula == definition.formula
                judged = fields.judged[definition.name] if is_first else fields.formula(formula)
                place = definition.element if is_first else elements[0].parent or elements[0]
                item = _calculation(fields.source, definition, judged, place, formula)
                patches = [
                    p for e in elements for p in self._document.set_attribute(e, "formula", judged.new or formula)
                ]
                for element in elements:
                    self._cover(element.parent or element)
                    self._cover(element)
                if used is not None:
                    sheets = used.get(key)
                    item = item.model_copy(update={"sheets": sheets or (), "unused": sheets is None})
                self._add(Found(item, tuple(patches)))

    def _filters(self) -> None:
        for element in self._document.root.walk():
            if element.tag != "filter" or not element.get("column"):
                continue
            source, name = filter_field(element)
            around = element.above("datasource")
            fields = self._fields.get((source or (around.get("name") if around is not None else "")).lower())
            if fields is None:
                continue
            self._add(
                selected(self._document, element, fields, what="filter", name=name, sheet=_sheet(element)), element
            )

    def _used(self, item: Item, source: Datasource) -> Item:
        sheets = self._uses.get(source.name, {}).get(item.internal.lower(), ())
        return item.model_copy(update={"sheets": tuple(sheets)})

    def _add(self, found: Found | None, element: Element | None = None) -> None:
        if found is not None:
            self._found.append(found)
            if element is not None:
                self._covered |= {id(e) for e in element.walk()}

    def _cover(self, column: Element) -> None:
        """A column's calculation and aliases are items; its caption is not."""
        self._covered |= {id(e) for e in column.walk() if e is not column or e.tag == "calculation"}

    def _words(self) -> Iterator[WordPlace]:
        """Enterprise words outside the items, one entry for each text."""
        words = sorted(self._facts.enterprise_literals())
        if not words:
            return
        sought = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
        places: dict[tuple[str, str, str], list[int]] = {}
        for element in self._document.root.walk():
            if id(element) in self._covered:
                continue
            for text in (*element.attributes.values(), self._document.text(element)):
                for found in dict.fromkeys(m.lower() for m in sought.findall(text)) if text else ():
                    word = next(w for w in words if w.lower() == found)
                    at = text.lower().find(found)
                    short = " ".join(text[max(at - 80, 0) : at + 120].split())
                    places.setdefault((element.tag, word, short), []).append(element.line)
        for (tag, word, text), lines in places.items():
            yield WordPlace(element=tag, line=lines[0], word=word, text=text, count=len(lines))


def _calculation(source: Datasource, definition: Definition, judged: Judged, place: Element, formula: str) -> Item:
    return Item(
        what="calculation",
        name=place.get("caption") or definition.name,
        internal=definition.name,
        datasource=source.caption,
        line=place.line,
        kind=judged.kind,
        old=formula,
        new=judged.new,
        proposed=judged.proposed,
        cuts=tuple(CutReport.of(c) for c in judged.folded.cuts) if judged.folded is not None else (),
        left=(judged.broken[1],) if judged.broken else judged.left,
        literals=judged.literals,
        broken=judged.broken[0] if judged.broken else 0,
    )


def _marked(item: Item, unclear: set[str]) -> Item:
    """The same item, which says whether only tables that are not known make it unknown."""
    only = bool(item.left) and all(any(reason.endswith(why) for why in unclear) for reason in item.left)
    return item.model_copy(update={"only_tables": only and item.kind is Kind.unknown})


def _told(fields: Fields, reads: Reads) -> SourceReport:
    source = fields.source
    kinds = (c.kind for name, c in source.connections.items() if name or len(source.connections) == 1)
    return SourceReport(
        name=source.caption,
        line=source.element.line,
        connections=tuple(dict.fromkeys(kinds)),
        tables=tuple(TableRead(name=t.name, touched=t.carries, unclear=t.unclear) for t in reads.leaves),
        fields=len({*source.origins, *source.columns}),
        calculations=sum(bool(d.formula) for d in fields.definitions.values()),
    )


def _as_table(fields: Fields) -> Table:
    """A data source as workbooks read it from a server: its columns are all its fields."""
    names = {*fields.source.origins, *fields.source.columns, *fields.source.captions}
    known = {name.lower(): fields.of(name) for name in sorted(names)}
    unclear = next((t.unclear for t in fields.reads.leaves if t.unclear), "")
    return Table(
        fields.source.caption,
        Relation({n: k.commercial for n, k in known.items()}, complete=False, empty=fields.reads.commercial),
        Relation({n: k.enterprise for n, k in known.items()}, complete=False, empty=fields.reads.enterprise),
        unclear,
    )


def _uses(document: Document) -> dict[str, dict[str, list[str]]]:
    """Sheets by field in lower case, by data source: what each says that it depends on."""
    found: dict[str, dict[str, list[str]]] = {}
    for element in document.root.walk():
        if element.tag != "datasource-dependencies":
            continue
        fields = found.setdefault(element.get("datasource"), {})
        for column in element.children:
            name = bare(column.get("column")) if column.tag == "column-instance" else bare(column.get("name"))
            sheets = fields.setdefault(name.lower(), [])
            if (sheet := _sheet(element)) not in sheets:
                sheets.append(sheet)
    return found


def _used_by(fields: Fields, uses: Mapping[str, list[str]], document: Document) -> dict[str, tuple[str, ...]] | None:
    """Sheets that use a field, directly or through others; None for a document that has no sheets."""
    if document.root.tag != "workbook":
        return None
    found = {name: dict.fromkeys(sheets) for name, sheets in uses.items()}
    for element in fields.source.element.all("filter"):
        found.setdefault(filter_field(element)[1].lower(), {})["the data source's filter"] = None
    queue = list(found)
    while queue:
        name = queue.pop()
        definition = fields.definitions.get(name)
        for read in definition.reads if definition is not None else ():
            before = len(found.get(read, {})) if read in found else -1
            found.setdefault(read, {}).update(found[name])
            if len(found[read]) != before:
                queue.append(read)
    return {name: tuple(sheets) for name, sheets in found.items()}


def _copies(document: Document, source: Datasource) -> dict[str, dict[str, list[Element]]]:
    """Where each calculation of a data source is written, by field in lower case and by its text."""
    found: dict[str, dict[str, list[Element]]] = {}

    def add(name: str, calculation: Element) -> None:
        formula = calculation.get("formula")
        if formula and calculation.get("class", "tableau") == "tableau":
            found.setdefault(bare(name).lower(), {}).setdefault(formula, []).append(calculation)

    for column in source.element.all("column"):
        for calculation in column.all("calculation"):
            add(column.get("name"), calculation)
    for column in _on_sheets(document, source):
        for calculation in column.all("calculation"):
            add(column.get("name"), calculation)
    extract = source.element.first("extract", "connection", "calculations")
    for calculation in extract.all("calculation") if extract is not None else ():
        add(calculation.get("column"), calculation)
    return found


def _on_sheets(document: Document, source: Datasource) -> Iterator[Element]:
    for element in document.root.walk():
        if element.tag == "datasource-dependencies" and element.get("datasource") == source.name:
            yield from element.all("column")


def _only_on_sheets(document: Document, source: Datasource) -> list[Element]:
    """Columns with a calculation that a sheet has and the data source does not."""
    found: dict[str, Element] = {}
    for column in _on_sheets(document, source):
        name = bare(column.get("name"))
        if name not in source.columns and column.first("calculation") is not None:
            found.setdefault(name, column)
    return list(found.values())


def _sheet(element: Element) -> str:
    around = next((found for tag in _SHEETS if (found := element.above(tag)) is not None), None)
    if around is not None:
        return around.get("name")
    return "several sheets" if element.above("shared-view") is not None else ""


def _parameter_lists(document: Document, names: set[str]) -> set[int]:
    """What these parameters offer, wherever it is written."""
    return {
        id(element)
        for column in document.root.walk()
        if "param-domain-type" in column.attributes and bare(column.get("name")) in names
        for element in column.walk()
    }
