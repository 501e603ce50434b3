"""A dbt project read from its folder, without dbt: models in the order in which they build, and what surrounds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

from split.dbt.compiled import Compiled, read_compiled
from split.dbt.schema import ProjectError, information_schema, yaml_schema
from split.dbt.yaml_text import Entry, NotYaml, read_yaml
from split.facts import Facts
from split.report_model import Problem

REF = re.compile(
    r"""\bref\(\s*(?:['"][^'"]+['"]\s*,\s*)?['"](?P<model>[^'"]+)['"]\s*(?:,\s*v(?:ersion)?\s*=[^)]*)?\)"""
)
SOURCE = re.compile(r"""\bsource\(\s*['"](?P<source>[^'"]+)['"]\s*,\s*['"](?P<table>[^'"]+)['"]\s*\)""")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_MATERIALIZED = re.compile(r"""\bmaterialized\s*=\s*['"](\w+)['"]""")
_SNAPSHOT = re.compile(r"\{%[-+]?\s*snapshot\s+(\w+)")
_MACRO = re.compile(r"\{%[-+]?\s*(?:macro|test)\s+(\w+)")


@dataclass(frozen=True)
class Node:
    """A model or a snapshot.

    Attributes:
        path: file, relative to the project.
        refs, sources: what its Jinja names, in any branch: models by name, sources as `source.table`.
    """

    name: str
    path: str
    text: str
    resource: Literal["model", "snapshot"] = "model"
    materialized: str = "view"
    refs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exposure:
    """What depends on models from outside: a dashboard, a semantic model."""

    name: str
    path: str
    line: int
    refs: tuple[str, ...]


@dataclass(frozen=True)
class SourceFile:
    """Any other file of the project, as text."""

    path: str
    text: str


@dataclass(frozen=True)
class Project:
    """A dbt project.

    Attributes:
        models: models and snapshots, each after those it reads.
        seeds: CSV file by name.
        macros: the file and text of each macro by name.
        schema: all columns of a table, in order, where they are known: sources as `source.table`, models by name.
        types: of columns by table, as the warehouse names them.
        relations: what a table is called in compiled SQL (`schema.table`, lower case) to our name of it.
        compiled: compiled SQL by node name.
        variables: `vars:` of dbt_project.yml, as written.
    """

    path: Path
    name: str
    dialect: str
    facts: Facts
    models: tuple[Node, ...]
    seeds: Mapping[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    macros: Mapping[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    analyses: tuple[SourceFile, ...] = ()
    tests: tuple[SourceFile, ...] = ()
    yaml: Mapping[str, str] = field(default_factory=dict[str, str])
    exposures: tuple[Exposure, ...] = ()
    schema: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    compiled: Compiled = field(default_factory=Compiled)
    variables: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    problems: tuple[Problem, ...] = ()

    def model(self, name: str) -> Node:
        """A node by name. Raises KeyError."""
        found = next((n for n in self.models if n.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def readers(self) -> dict[str, tuple[str, ...]]:
        """The nodes that read a node directly, by its name."""
        found: dict[str, list[str]] = {node.name: [] for node in self.models}
        for node in self.models:
            for ref in node.refs:
                found.setdefault(ref, []).append(node.name)
        return {name: tuple(readers) for name, readers in found.items()}


def load_project(
    path: Path,
    *,
    facts: Facts,
    schema: Path | None = None,
    compiled: Path | None = None,
    dialect: str | None = None,
) -> Project:
    """Read a project's folder.

    Args:
        schema: JSON rows of INFORMATION_SCHEMA.COLUMNS (table_schema, table_name, column_name, ordinal_position,
            data_type).
        compiled: dbt's target folder; the project's own `target` where it is there.
        dialect: of the SQL; that of the manifest or of the project's profile otherwise, BigQuery as a last resort.

    Raises:
        ProjectError: there is no dbt_project.yml, or it or the schema cannot be read.
    """
    return _Loading(path, facts).run(schema, compiled or path / "target", dialect)


class _Loading:
    """One project, folder by folder."""

    def __init__(self, path: Path, facts: Facts) -> None:
        self._path = path
        self._facts = facts
        self._problems: list[Problem] = []
        self._settings = self._read_settings()

    def run(self, schema: Path | None, target: Path, dialect: str | None) -> Project:
        yaml = {f.path: f.text for f in self._files("model-paths", "models", ".yml", ".yaml")}
        for folder, usual in (("seed-paths", "seeds"), ("snapshot-paths", "snapshots"), ("analysis-paths", "analyses")):
            yaml.update({f.path: f.text for f in self._files(folder, usual, ".yml", ".yaml")})
        trees = {name: tree for name, text in yaml.items() if (tree := self._tree(name, text)) is not None}
        nodes = [*self._models(), *self._snapshots(trees)]
        compiled, problems = read_compiled(target, {n.name: n.text for n in nodes if n.path.endswith(".sql")})
        self._problems += [Problem(path=p or _path_of(nodes, n), line=0, message=m) for n, p, m in problems]
        sources, known = yaml_schema(trees, self._settings)
        if schema is not None:
            known = known.updated(information_schema(schema, sources))
        variables = self._settings.get("vars")
        return Project(
            path=self._path,
            name=self._settings.word("name") or self._path.name,
            dialect=dialect or compiled.adapter or self._profile() or "bigquery",
            facts=self._facts,
            models=self._ordered(nodes),
            seeds={Path(f.path).stem: f for f in self._files("seed-paths", "seeds", ".csv")},
            macros=self._macros(),
            analyses=tuple(self._files("analysis-paths", "analyses", ".sql")),
            tests=tuple(self._files("test-paths", "tests", ".sql")),
            yaml=yaml,
            exposures=tuple(_exposures(trees)),
            schema=known.columns,
            types=known.types,
            compiled=compiled.naming(sources),
            variables={key.text: value for key, value in variables.pairs()} if variables is not None else {},
            problems=tuple(self._problems),
        )

    def _read_settings(self) -> Entry:
        file = self._path / "dbt_project.yml"
        try:
            tree = read_yaml(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ProjectError(f"{file}: there is no such file. Name the folder that holds it.") from None
        except (NotYaml, UnicodeDecodeError) as error:
            raise ProjectError(f"{file}: {error}. dbt cannot read it either; correct it first.") from error
        if tree is None:
            raise ProjectError(f"{file}: is empty. Name a dbt project.")
        return tree

    def _profile(self) -> str | None:
        """The adapter of the project's own profiles.yml."""
        file = self._path / "profiles.yml"
        tree = self._tree(file.name, file.read_text(encoding="utf-8")) if file.is_file() else None
        profile = tree.get(self._settings.word("profile")) if tree is not None else None
        outputs = profile.get("outputs") if profile is not None else None
        return next((output.word("type") for _, output in outputs.pairs()), None) if outputs is not None else None

    def _tree(self, name: str, text: str) -> Entry | None:
        try:
            return read_yaml(text)
        except NotYaml as error:
            self._problems.append(Problem(path=name, line=error.line, message=str(error)))
            return None

    def _folders(self, setting: str, usual: str) -> list[Path]:
        listed = [item.text for item in self._settings.list(setting)]
        return [self._path / name for name in listed or [usual]]

    def _files(self, setting: str, usual: str, *endings: str) -> Iterator[SourceFile]:
        for folder in self._folders(setting, usual):
            for file in sorted(folder.rglob("*")):
                if file.suffix not in endings or not file.is_file():
                    continue
                name = file.relative_to(self._path).as_posix()
                try:
                    with file.open(encoding="utf-8", newline="") as opened:  # line ends stay as they are
                        yield SourceFile(name, opened.read())
                except UnicodeDecodeError as error:
                    self._problems.append(Problem(path=name, line=0, message=f"not UTF-8: {error.reason}"))

    def _models(self) -> Iterator[Node]:
        seen: dict[str, str] = {}
        for file in self._files("model-paths", "models", ".sql", ".py"):
            name = Path(file.path).stem
            if name in seen:
                message = f"a second model named {name}; the first is {seen[name]}"
                self._problems.append(Problem(path=file.path, line=0, message=message))
                continue
            seen[name] = file.path
            yield _node(name, file, "model")

    def _snapshots(self, trees: Mapping[str, Entry]) -> Iterator[Node]:
        for file in self._files("snapshot-paths", "snapshots", ".sql"):
            for found in _SNAPSHOT.finditer(file.text):
                yield _node(found.group(1), file, "snapshot")
        for path, tree in trees.items():
            for entry in tree.list("snapshots"):
                if relation := entry.word("relation"):
                    yield _node(entry.word("name"), _selecting(path, relation), "snapshot")

    def _macros(self) -> dict[str, SourceFile]:
        found: dict[str, SourceFile] = {}
        packages = (
            SourceFile(f.relative_to(self._path).as_posix(), f.read_text(encoding="utf-8", errors="replace"))
            for f in sorted((self._path / "dbt_packages").glob("*/macros/**/*.sql"))
        )
        for file in (*packages, *self._files("macro-paths", "macros", ".sql")):
            found.update({m.group(1): file for m in _MACRO.finditer(file.text)})
        return found

    def _ordered(self, nodes: Iterable[Node]) -> tuple[Node, ...]:
        by_name = {node.name: node for node in sorted(nodes, key=lambda n: n.name)}
        graph = {name: [ref for ref in node.refs if ref in by_name] for name, node in by_name.items()}
        try:
            return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = error.args[1]
            message = f"models read each other in a circle: {' -> '.join(circle)}"
            self._problems.append(Problem(path=by_name[circle[0]].path, line=0, message=message))
            return tuple(by_name.values())


def _path_of(nodes: Iterable[Node], name: str) -> str:
    return next(node.path for node in nodes if node.name == name)


def _selecting(path: str, relation: str) -> SourceFile:
    """What a snapshot that is written in YAML does, as SQL."""
    return SourceFile(path, f"select * from {{{{ {relation} }}}}")  # noqa: S608 - text to be read, not run


def _node(name: str, file: SourceFile, resource: Literal["model", "snapshot"]) -> Node:
    jinja = [m.group() for m in _JINJA.finditer(file.text)] if file.path.endswith((".sql", ".yml", ".yaml")) else []
    text = "\n".join(jinja) if jinja else file.text
    refs = dict.fromkeys(m["model"] for m in REF.finditer(text) if m["model"] != name)
    sources = dict.fromkeys(f"{m['source']}.{m['table']}" for m in SOURCE.finditer(text))
    materialized = _MATERIALIZED.search(text)
    usual = "snapshot" if resource == "snapshot" else "view"
    found = materialized.group(1) if materialized else usual
    return Node(name, file.path, file.text, resource, found, tuple(refs), tuple(sources))


def _exposures(trees: Mapping[str, Entry]) -> Iterator[Exposure]:
    for path, tree in trees.items():
        for entry in tree.list("exposures"):
            refs = [m["model"] for item in entry.list("depends_on") if (m := REF.search(item.text))]
            yield Exposure(entry.word("name"), path, entry.line, tuple(refs))
        for entry in tree.list("semantic_models"):
            if found := REF.search(entry.word("model")):
                yield Exposure(entry.word("name"), path, entry.line, (found["model"],))
