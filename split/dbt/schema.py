"""Columns of tables and their types: what YAML declares, and what the warehouse says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from split.dbt.yaml_text import Entry


class ProjectError(ValueError):
    """The folder is no dbt project, or what should describe it cannot be read. Says what to do."""


@dataclass(frozen=True)
class Schema:
    """What is known of tables: sources as `source.table`, models and seeds by name, all in lower case.

    Attributes:
        columns: all columns of a table, in order.
        types: of columns by table, as far as they are known.
    """

    columns: Mapping[str, tuple[str, ...]]
    types: Mapping[str, Mapping[str, str]]

    def updated(self, other: Schema) -> Schema:
        """The same, and for its tables what the other says."""
        types = {name: {**self.types.get(name, {}), **found} for name, found in other.types.items()}
        return Schema({**self.columns, **other.columns}, {**self.types, **types})


def yaml_schema(trees: Mapping[str, Entry], settings: Entry) -> tuple[dict[str, str], Schema]:
    """`schema.identifier` of each source to its name, and what YAML says of tables.

    Columns listed to be described are often only some of them; whoever wrote down the types of all wrote down the
    schema.

    Args:
        settings: dbt_project.yml, which may say the types of seeds.
    """
    names: dict[str, str] = {}
    columns: dict[str, tuple[str, ...]] = {}
    types: dict[str, dict[str, str]] = {}
    for tree in trees.values():
        for source in tree.list("sources"):
            schema = source.word("schema") or source.word("name")
            for table in source.list("tables"):
                name = f"{source.word('name')}.{table.word('name')}"
                names[f"{schema}.{table.word('identifier') or table.word('name')}".lower()] = name
                typed = types.setdefault(name.lower(), _typed(table))
                listed = [column.word("name").lower() for column in table.list("columns")]
                if listed and all(column in typed for column in listed):
                    columns[name.lower()] = tuple(listed)
        for entry in (*tree.list("models"), *tree.list("seeds"), *tree.list("snapshots")):
            config = entry.get("config")
            seed = {**_column_types(entry), **(_column_types(config) if config is not None else {})}
            types.setdefault(entry.word("name").lower(), {}).update({**_typed(entry), **seed})
    seeds = settings.get("seeds")
    for name, found in _seeds(seeds) if seeds is not None else ():
        types[name] = {**found, **types.get(name, {})}
    return names, Schema(columns, {name: found for name, found in types.items() if found})


def information_schema(file: Path, sources: Mapping[str, str]) -> Schema:
    """Columns and types by our names. A table that two schemas have in different shapes is left out unless it is a
    source. Raises ProjectError.
    """
    try:
        rows: Any = json.loads(file.read_text(encoding="utf-8"))
        found: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
        for place, row in enumerate(rows):
            cells = {key.lower(): value for key, value in row.items()}
            table = str(cells["table_schema"]).lower(), str(cells["table_name"]).lower()
            position = int(cells.get("ordinal_position") or place)
            column = position, str(cells["column_name"]).lower(), str(cells.get("data_type") or "")
            found.setdefault(table, []).append(column)
    except FileNotFoundError:
        raise ProjectError(f"{file}: there is no such file.") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ProjectError(
            f"{file}: expected a JSON list of rows of INFORMATION_SCHEMA.COLUMNS with table_schema, table_name and "
            f"column_name ({type(error).__name__}: {error})."
        ) from error
    known: dict[str, list[tuple[str, str]]] = {}
    twice: set[str] = set()
    for (schema, table), cells in found.items():
        ordered = [(column, type_) for _, column, type_ in sorted(cells)]
        if (source := sources.get(f"{schema}.{table}")) is not None:
            known[source.lower()] = ordered
        elif known.setdefault(table, ordered) != ordered:
            twice.add(table)
    kept = {name: ordered for name, ordered in known.items() if name not in twice}
    return Schema(
        {name: tuple(column for column, _ in ordered) for name, ordered in kept.items()},
        {name: {column: type_ for column, type_ in ordered if type_} for name, ordered in kept.items()},
    )


def _typed(table: Entry) -> dict[str, str]:
    """The columns of which a type is declared."""
    typed = ((c.word("name").lower(), c.word("data_type")) for c in table.list("columns"))
    return {name: type_ for name, type_ in typed if type_}


def _column_types(entry: Entry) -> dict[str, str]:
    """`column_types` of a seed."""
    found = entry.get("+column_types") or entry.get("column_types")
    return {key.text.lower(): value.text for key, value in found.pairs()} if found is not None else {}


def _seeds(entry: Entry) -> Iterator[tuple[str, dict[str, str]]]:
    """The types that dbt_project.yml gives to seeds by name, at any depth of its folders."""
    for key, below in entry.pairs():
        if not key.text.startswith("+"):
            if found := _column_types(below):
                yield key.text.lower(), found
            yield from _seeds(below)
