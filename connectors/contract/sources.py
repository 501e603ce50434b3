"""Checks one contract file: its source, how fresh it must be, and then its tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from connectors.contract import vocabulary
from connectors.contract.checks import Checks
from connectors.contract.document import Problems, Value, did_you_mean, read, shown
from connectors.contract.model import Table
from connectors.contract.tables import TableCheck


def tables_of(paths: Iterable[Path], problems: Problems) -> list[Table]:
    """The tables of all files. If `problems` has any afterwards, the list may lack or distort some."""
    tables: list[Table] = []
    places: dict[str, str] = {}
    for path in paths:
        document = read(path, problems)
        if document is None:
            continue
        checks = Checks(path, problems)
        for entry, table in _tables(document, checks):
            if table.name in places:
                checks.bad(entry, f"table {table.name!r} is declared before, at {places[table.name]}")
            places.setdefault(table.name, f"{shown(path)}:{entry.line}")
            tables.append(table)
    return tables


def _tables(document: Value, checks: Checks) -> list[tuple[Value, Table]]:
    checks.keys(document, vocabulary.FILE, "the file")
    sources = document.get("sources")
    if sources is None or not sources.items:
        checks.bad(sources or document, "no source: expected one entry under `sources`")
        return []
    for extra in sources.items[1:]:
        checks.bad(extra, "a second source: it needs a file of its own")
    source = sources.items[0]
    name = _source(source, checks)
    declared = source.get("tables")
    if declared is None or not declared.items:
        checks.bad(declared or source, f"source {name!r} has no tables")
        return []
    _freshness(source, declared.items, checks)
    fresh = _setting(source, "freshness")
    tables = [
        (entry, TableCheck(checks, name, entry, _setting(entry, "freshness") or fresh).table())
        for entry in declared.items
    ]
    _archives(tables, checks)
    return tables


def _archives(tables: list[tuple[Value, Table]], checks: Checks) -> None:
    """What is archived must not arrive again, as another table's delivery."""
    for entry, table in tables:
        archive = table.files.archive
        for _, other in tables if archive else ():
            if archive and other.object and archive.prefix.startswith(other.object):
                checks.bad(
                    entry,
                    f"after_load of table {table.name!r}: archive {archive.prefix!r} lies below the prefix of "
                    f"{other.name!r}, which would load the files again",
                )


def _source(source: Value, checks: Checks) -> str:
    checks.keys(source, vocabulary.SOURCE, "source")
    checks.keys(source.get("config"), vocabulary.SOURCE_CONFIG, "config of the source")
    name = checks.text(source, "name", "source")
    where = f"source {name!r}" if name else "source"
    checks.text(source, "description", where)
    checks.text(source, "schema", where)
    place = source.get("name") or source
    if name and name not in vocabulary.SOURCES:
        known = ", ".join(vocabulary.SOURCES)
        checks.bad(place, f"unknown source {name!r} (known: {known}){did_you_mean(name, vocabulary.SOURCES)}")
    elif name and checks.path.name != f"_{name}__sources.yml":
        checks.bad(place, f"source {name!r} belongs in a file named _{name}__sources.yml")
    return name


def _freshness(source: Value, tables: list[Value], checks: Checks) -> None:
    """Every table needs `freshness` and `loaded_at_field`, of its own or from its source."""
    for key in ("freshness", "loaded_at_field"):
        lacking = [table for table in tables if _setting(table, key) is None] if _setting(source, key) is None else []
        if len(lacking) == len(tables):
            checks.bad(source, f"{key} is missing: put it under `config` of the source")
        else:
            for table in lacking:
                checks.bad(table, f"{key} is missing, here and at the source")
    for owner in (source, *tables):
        freshness = _setting(owner, "freshness")
        if freshness is not None and freshness.content is not None:
            _ages(freshness, checks)


def _ages(freshness: Value, checks: Checks) -> None:
    checks.keys(freshness, vocabulary.FRESHNESS, "freshness")
    limits = [limit for key in ("warn_after", "error_after") if (limit := freshness.get(key))]
    if not limits:
        checks.bad(freshness, "freshness needs warn_after or error_after")
    for limit in limits:
        checks.keys(limit, vocabulary.AGE, "freshness")
        count, period = limit.get("count") or limit, limit.get("period") or limit
        if not isinstance(count.content, int) or count.content < 1:
            checks.bad(count, "freshness: count must be a whole number above 0")
        if period is limit:
            checks.bad(limit, "freshness: period is missing")
        else:
            checks.one_of(period, vocabulary.PERIODS, "freshness: period")


def _setting(owner: Value, key: str) -> Value | None:
    """dbt takes these from `config`, and from the level above it as it did before 1.10."""
    config = owner.get("config")
    return (config.get(key) if config else None) or owner.get(key)
