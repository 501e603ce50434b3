"""A dbt project built in DuckDB over given input tables. The project's folder is copied, never written to."""

from __future__ import annotations

import csv
import itertools
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from split.dbt.process import DbtProcess
from split.facts import Facts, Segment, TableFacts
from split.verify.data_set import DataSet, quoted

Columns = dict[str, str]
_LEFT_OUT = shutil.ignore_patterns("target", "logs", ".git", ".venv", "__pycache__", "*.duckdb")
_PACKAGES = ("packages.yml", "dependencies.yml", "package-lock.yml")
_AT = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)
_TAKEN_OVER = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to")


@dataclass(frozen=True)
class Failure:
    """A model that was not built, and why. `line` is 1-based in `path`, 0 where it is not known."""

    model: str
    path: str
    line: int
    message: str


@dataclass(frozen=True)
class Place:
    """Where a table stands in the warehouse."""

    database: str
    schema: str
    name: str


@dataclass(frozen=True)
class Node:
    """A model, seed or snapshot; `upstream` holds names, those of sources as `source.table`."""

    name: str
    path: str
    resource: str
    materialized: str
    raw: str
    upstream: tuple[str, ...]
    place: Place
    keys: tuple[tuple[str, ...], ...] = ()
    owner: str = ""
    """Of its `meta`."""


@dataclass(frozen=True)
class Source:
    """A table that the project reads: declared columns with their types (None where not declared)."""

    name: str
    columns: Mapping[str, str | None]
    place: Place
    keys: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Parsed:
    """What dbt makes of a project.

    Attributes:
        nodes: by name, each after those it reads.
        failures: files that dbt could not parse; the rest was parsed without them.
    """

    path: Path
    nodes: Mapping[str, Node]
    sources: Mapping[str, Source]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Built:
    """One build.

    Attributes:
        results: DuckDB file with one table for each node that was built, under the node's name.
        compiled: compiled SQL by name, in the project's own dialect.
    """

    data_set: str
    results: Path
    failures: tuple[Failure, ...] = ()
    compiled: Mapping[str, str] = field(default_factory=dict[str, str])

    def columns(self) -> dict[str, Columns]:
        """Types by column, in order, of each table."""
        query = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
            " ORDER BY table_oid, column_index"
        )
        found: dict[str, Columns] = {}
        with duckdb.connect(str(self.results), read_only=True) as connection:
            for table, column, kind in connection.execute(query).fetchall():
                found.setdefault(table, {})[column] = kind
        return found

    def failure(self, model: str) -> Failure | None:
        """Why a model was not built; None if nothing is known against it."""
        return next((f for f in self.failures if f.model == model), None)


class Builder:
    """Parses and builds one project.

    Args:
        home: an empty folder for copies and databases.
        dialect: of the SQL. What is not DuckDB's is compiled by dbt, translated and run model by model.
    """

    def __init__(self, project: Path, home: Path, dbt: DbtProcess, *, dialect: str = "duckdb") -> None:
        self._project = project
        self._home = home
        self._dbt = dbt
        self._dialect = dialect
        self._numbers = itertools.count(1)
        home.mkdir(parents=True)
        self.parsed = self._parse()

    def build(self, data_set: DataSet, facts: Facts | None = None) -> Built:
        """Build everything over these tables.

        Args:
            facts: say which rows of seeds are Enterprise, so that only those of the data set's segment are there.
        """
        home = self._home / f"build{next(self._numbers)}"
        home.mkdir()
        copy = self._copy(home / "project")
        for failure in self.parsed.failures:
            (copy / failure.path).unlink(missing_ok=True)
        if facts is not None and data_set.segment != "both":
            self._filter_seeds(copy, facts, data_set.segment)
        data_set.write(home / "given.duckdb")
        own = self._dialect == "duckdb"
        wanted = [n for n in self.parsed.nodes.values() if own or n.resource == "seed"]
        reply = self._dbt.ask(
            {
                "command": "build",
                "arguments": [
                    "build" if own else "seed",
                    *(("--exclude-resource-type", "test", "unit_test") if own else ()),
                ],
                "project": str(copy),
                "home": str(home),
                "input": str(home / "given.duckdb"),
                "results": str(home / "results.duckdb"),
                "sources": {s.name: vars(s.place) for s in self.parsed.sources.values()},
                "relations": {n.name: vars(n.place) for n in (*wanted, *self.parsed.sources.values())},
            }
        )
        built = Built(
            data_set.name,
            home / "results.duckdb",
            (*self.parsed.failures, *(self._located(Failure(**f), reply["compiled"]) for f in reply["failures"])),
            reply["compiled"],
        )
        return built if own else self._translate(built, copy, home, data_set)

    def _parse(self) -> Parsed:
        home = self._home / "parsed"
        home.mkdir()
        copy = self._copy(home / "project")
        reply = self._dbt.ask({"command": "parse", "project": str(copy), "home": str(home)})
        names = {n["id"]: n["name"] for n in (*reply["nodes"], *reply["sources"])}
        nodes = {n["name"]: _node(n, names) for n in reply["nodes"]}
        sources = {
            s["name"]: Source(s["name"], s["columns"], Place(**s["place"]), _keys(s["keys"])) for s in reply["sources"]
        }
        return Parsed(self._project, _ordered(nodes), sources, tuple(Failure(**f) for f in reply["failures"]))

    def _copy(self, to: Path) -> Path:
        """The project without what dbt made; packages that are not installed are not asked for."""
        shutil.copytree(self._project, to, ignore=_LEFT_OUT)
        if not (to / "dbt_packages").is_dir():
            for name in _PACKAGES:
                (to / name).unlink(missing_ok=True)
        return to

    def _filter_seeds(self, copy: Path, facts: Facts, segment: Segment) -> None:
        for node in self.parsed.nodes.values():
            known = facts.of(node.name)
            if node.resource == "seed" and known is not None:
                filter_seed(copy / node.path, known, segment)

    def _located(self, failure: Failure, compiled: Mapping[str, str]) -> Failure:
        """The failure with the line of the model's file that holds what DuckDB points to."""
        node, at = self.parsed.nodes.get(failure.model), _AT.search(failure.message)
        if node is None or at is None or failure.line:
            return failure
        lines = [" ".join(line.split()) for line in node.raw.splitlines()]
        place, shown = int(at.group(1)), " ".join(at.group(2).strip(".").split())
        fits = [number for number, line in enumerate(lines, 1) if shown and shown in line]
        if len(fits) != 1 and len(lines) == len(compiled.get(failure.model, "").splitlines()):
            fits = [place]
        return Failure(failure.model, failure.path, fits[0] if len(fits) == 1 else 0, failure.message)

    def _translate(self, built: Built, copy: Path, home: Path, data_set: DataSet) -> Built:
        reply = self._dbt.ask(
            {
                "command": "build",
                "arguments": ["compile"],
                "project": str(copy),
                "home": str(home),
                "input": str(home / "given.duckdb"),
                "results": str(home / "compiled.duckdb"),
                "sources": {},
                "relations": {s.name: vars(s.place) for s in self.parsed.sources.values()},
            }
        )
        failures = {f["model"]: self._located(Failure(**f), reply["compiled"]) for f in reply["failures"]}
        places = {_relation(n.place): n.name for n in (*self.parsed.nodes.values(), *self.parsed.sources.values())}
        with duckdb.connect(str(built.results)) as connection:
            connection.execute(f"ATTACH '{home / 'given.duckdb'}' AS given (READ_ONLY)")
            for name in self.parsed.sources:
                if name in data_set.tables:
                    connection.execute(f"CREATE TEMP TABLE {quoted(name)} AS FROM given.main.{quoted(name)}")
            for node in self.parsed.nodes.values():
                text = reply["compiled"].get(node.name)
                if node.resource == "seed" or node.name in failures or text is None:
                    continue
                try:
                    connection.execute(f"CREATE TABLE {quoted(node.name)} AS {self._duckdb(text, places)}")
                    if node.resource == "snapshot":
                        for column in _TAKEN_OVER:
                            connection.execute(f"ALTER TABLE {quoted(node.name)} ADD COLUMN {column} VARCHAR")
                except (duckdb.Error, SqlglotError) as error:
                    message = f"not run in DuckDB after translation from {self._dialect}: {str(error).splitlines()[0]}"
                    failures[node.name] = Failure(node.name, node.path, 0, message)
        return Built(built.data_set, built.results, (*built.failures, *failures.values()), reply["compiled"])

    def _duckdb(self, text: str, places: Mapping[str, str]) -> str:
        """Compiled SQL in DuckDB's dialect, over tables by our names. Raises SqlglotError."""
        for relation, name in places.items():
            text = text.replace(relation, f"`{name}`")
        tree = sqlglot.parse_one(text, read=self._dialect)
        for table in tree.find_all(exp.Table):
            written = ".".join(part.name for part in table.parts)
            if written in self.parsed.sources:
                table.replace(exp.to_table(quoted(written), alias=table.alias or None))
        return tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)


def describe(project: Path, data_set: DataSet, home: Path, *, dialect: str = "duckdb") -> dict[str, Columns]:
    """Types by column, in order, of each model that builds over these tables."""
    home.mkdir(parents=True, exist_ok=True)
    with DbtProcess(home) as dbt:
        return Builder(project, home / "described", dbt, dialect=dialect).build(data_set).columns()


def filter_seed(file: Path, known: TableFacts, segment: Segment) -> None:
    """Keep the rows of one segment in a CSV file: those with an Enterprise value, or those without."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.reader(opened))
    if not rows:
        return
    gone = {c.lower(): {str(v) for v in f.enterprise} for c, f in known.columns.items()}
    places = [(place, gone[name.lower()]) for place, name in enumerate(rows[0]) if name.lower() in gone]
    theirs = [known.only == "enterprise" or any(row[place] in values for place, values in places) for row in rows[1:]]
    kept = [row for row, gone in zip(rows[1:], theirs, strict=True) if gone == (segment == "enterprise")]
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([rows[0], *kept])


def _relation(place: Place) -> str:
    return ".".join(quoted(part) for part in (place.database, place.schema, place.name))


def _keys(listed: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(key) for key in listed)


def _node(n: dict[str, Any], names: Mapping[str, str]) -> Node:
    upstream = tuple(names[u] for u in n["upstream"] if u in names)
    place, keys = Place(**n["place"]), _keys(n["keys"])
    return Node(n["name"], n["path"], n["resource"], n["materialized"], n["raw"], upstream, place, keys, n["owner"])


def _ordered(nodes: Mapping[str, Node]) -> dict[str, Node]:
    graph = {name: [u for u in node.upstream if u in nodes] for name, node in nodes.items()}
    return {name: nodes[name] for name in TopologicalSorter(graph).static_order()}
