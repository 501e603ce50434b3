"""How the Commercial rows of an old table are told from the others."""

from __future__ import annotations

from collections.abc import Mapping

from split.build import Parsed
from split.data import Pair
from split.engine import base_relation, specialise
from split.facts import Facts
from split.lineage import Origin, Outputs
from split.mask import JinjaError
from split.scope import Relation
from split.spans import NotParsed

Filters = dict[str, frozenset[str]]
"""By column, in lower case: the texts of values that only Enterprise rows have."""


def relations(parsed: Parsed, facts: Facts, dialect: str) -> dict[str, Relation]:
    """What is known under the facts of each table that the models read, by name in lower case."""
    known: dict[str, Relation] = {}
    for source in parsed.sources.values():
        if (relation := base_relation(source.name, facts)) is not None:
            known[source.name.lower()] = relation
    for node in parsed.nodes.values():
        relation = base_relation(node.name, facts) if node.resource == "seed" else None
        if node.resource != "seed":
            try:
                relation = specialise(node.raw, lambda name: known.get(name.lower()), dialect=dialect).result
            except (NotParsed, JinjaError):
                continue
        if relation is not None:
            known[node.name.lower()] = relation
    return known


def enterprise_filters(
    model: str,
    known: Mapping[str, Relation],
    outputs: Mapping[str, Outputs],
    owned: frozenset[Origin],
    pair: Pair,
) -> Filters:
    """The columns of a model that tell the segment of a row, with the values of Enterprise rows."""
    found: Filters = {}
    relation = known.get(model.lower())
    for column, value in (relation.columns if relation is not None else {}).items():
        now = {str(v.value) for v in value.now or () if v is not None}
        gone = {str(v.value) for v, _ in value.gone if v is not None and v.kind != "anything"}
        if gone - now:
            found[column] = frozenset(gone - now)
    for column, origins in (outputs[model.lower()].direct if model.lower() in outputs else {}).items():
        for origin in origins & owned:
            found[column] = found.get(column, frozenset()) | _only_mixed(origin, pair)
    return {column: values for column, values in found.items() if values}


def _only_mixed(origin: Origin, pair: Pair) -> frozenset[str]:
    """The values that a column has in Enterprise rows only."""
    table, column = origin
    values: list[frozenset[str]] = []
    for data in (pair.mixed, pair.commercial):
        found = next((t for name, t in data.tables.items() if name.lower() == table), None)
        place = [c.lower() for c in found.columns].index(column) if found is not None else 0
        values.append(
            frozenset(str(row[place]) for row in found.rows if row[place] is not None) if found else frozenset()
        )
    return values[0] - values[1]
