"""What a data source reads, as rows: its tables, joins, unions and queries under the facts of either side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from split.facts import Fact
from split.sql.scope import Relation
from split.sql.values import Value, constant, union
from split.tableau.datasource import Datasource, parts
from split.tableau.markup import Element
from split.tableau.tables import Table, Tables

Empty = frozenset[Fact] | None
Published = Mapping[str, Table]
"""Published data sources that were given as files, by every name they have, in lower case."""
_EXTRACTS = ("hyper", "dataengine")


@dataclass(frozen=True)
class Reads:
    """The rows of a data source.

    Attributes:
        tables: by the name that fields give as their parent, in lower case.
        commercial, enterprise: the facts because of which it has no row on a side.
        leaves: the tables themselves, for people.
    """

    tables: Mapping[str, Table] = field(default_factory=dict[str, Table])
    commercial: Empty = None
    enterprise: Empty = None
    leaves: tuple[Table, ...] = ()

    def nullable(self) -> Reads:
        """The same on the side of an outer join that may be missing."""
        return replace(self, tables={name: _nullable(table) for name, table in self.tables.items()})


class Reading:
    """Reads the relations of one data source.

    Args:
        query: what is known of a custom SQL's result.
    """

    def __init__(
        self, source: Datasource, tables: Tables, published: Published, query: Callable[[Element], Table]
    ) -> None:
        self._source = source
        self._tables = tables
        self._published = published
        self._query = query

    def run(self) -> Reads:
        """All that the data source reads."""
        root = self._source.relation
        if root is None:
            return Reads()
        return self._read(root)

    def _read(self, relation: Element) -> Reads:
        inside = [child for child in relation.all("relation") if child.feature is None or child.feature[1]]
        match relation.get("type"):
            case "join" if len(inside) == 2:
                return _joined(relation.get("join", "inner"), self._read(inside[0]), self._read(inside[1]))
            case "collection":
                read = [self._read(child) for child in inside]
                return _together(read if len(read) == 1 else [one.nullable() for one in read])
            case "union" if inside:
                return _union(relation.get("name"), [self._read(child) for child in inside])
            case "table":
                return self._leaf(relation, self._table(relation))
            case "text":
                return self._leaf(relation, self._query(relation))
            case kind:
                why = f"{relation.get('name') or 'a relation'} is a {kind or 'nameless kind'} of the data source"
                made = self._leaf(relation, Table(relation.get("name"), unclear=f"{why}, which is not followed"))
                return _together([*(self._read(child) for child in inside), made])

    def _leaf(self, relation: Element, table: Table) -> Reads:
        names = {relation.get("name").lower(), parts(relation.get("table"))[-1].lower()} - {""}
        return Reads(dict.fromkeys(names, table), table.commercial.empty, table.enterprise.empty, (table,))

    def _table(self, relation: Element) -> Table:
        connection, name = self._source.connection(relation), parts(relation.get("table"))
        if connection.kind == "sqlproxy":
            for known in (connection.name, self._source.caption):
                if (table := self._published.get(known.lower())) is not None:
                    return table
            found = self._tables.find([connection.name])
            why = f"the published data source {connection.name} is in none of the files: name its .tds or .tdsx as well"
            return replace(found, unclear=why) if found.unclear else found
        if connection.kind in _EXTRACTS and connection.name and name[-1].lower() == "extract":
            name = [connection.name]
        return self._tables.find(name)


def _joined(how: str, left: Reads, right: Reads) -> Reads:
    left_fills, right_fills = how in ("right", "full"), how in ("left", "full")
    both = _together([left.nullable() if left_fills else left, right.nullable() if right_fills else right])

    def empty(one: Empty, other: Empty) -> Empty:
        match how:
            case "left":
                return one
            case "right":
                return other
            case "full":
                return one | other if one is not None and other is not None else None
            case _:
                return one if one is not None else other

    return replace(
        both,
        commercial=empty(left.commercial, right.commercial),
        enterprise=empty(left.enterprise, right.enterprise),
    )


def _together(read: Iterable[Reads]) -> Reads:
    """Several side by side: a name that two of them have is neither's. No row only where none has one."""
    every = list(read)
    tables: dict[str, Table] = {}
    for one in every:
        for name, table in one.tables.items():
            same = tables.get(name, table) is table
            tables[name] = table if same else Table(name, unclear=f"two tables of the data source are called {name}")
    return Reads(
        tables,
        _all_empty(one.commercial for one in every),
        _all_empty(one.enterprise for one in every),
        tuple(leaf for one in every for leaf in one.leaves),
    )


def _all_empty(sides: Iterable[Empty]) -> Empty:
    every = list(sides)
    known = [side for side in every if side is not None]
    return frozenset().union(*known) if known and len(known) == len(every) else None


def _union(name: str, members: list[Reads]) -> Reads:
    both = _together(members)
    leaves = both.leaves
    unclear = next((leaf.unclear for leaf in leaves if leaf.unclear), "")
    table = Table(
        name or "union",
        _stacked([leaf.commercial for leaf in leaves], both.commercial),
        _stacked([leaf.enterprise for leaf in leaves], both.enterprise),
        unclear,
    )
    return replace(both, tables={**both.tables, table.name.lower(): table})


def _stacked(relations: list[Relation], empty: Empty) -> Relation:
    """The rows of several tables under each other, columns by name."""
    names = dict.fromkeys(name for relation in relations for name in relation.columns)
    columns = {
        name: union(_or_missing(relation, name) for relation in relations if relation.empty is None) for name in names
    }
    return Relation(columns, all(relation.complete for relation in relations), empty)


def _or_missing(relation: Relation, name: str) -> Value:
    found = relation.column(name)
    return constant(None) if found is None else found


def _nullable(table: Table) -> Table:
    return replace(table, commercial=table.commercial.nullable(), enterprise=table.enterprise.nullable())
