"""Places outside the models' SQL that name the Enterprise side: seeds, YAML, macros, snapshots, analyses, tests."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from split.dbt.jinja_sites import macro_body, named
from split.dbt.project import Project, SourceFile
from split.dbt.yaml_text import Entry, NotYaml, read_yaml
from split.report_model import FoundIn, Mention

_LISTS = ("models", "sources", "seeds", "snapshots", "exposures", "semantic_models", "metrics", "unit_tests", "macros")
_NAMED = ("tables", "columns", "tests", "data_tests")


def mentions(project: Project) -> tuple[Mention, ...]:
    """Every line outside the models that names an Enterprise value or word, in the order of the files."""
    found = [
        *_seeds(project),
        *_yaml(project),
        *_macros(project),
        *_lines(project, "analysis", project.analyses),
        *_lines(project, "test", project.tests),
        *_snapshots(project),
        *_variables(project),
    ]
    return tuple(dict.fromkeys(found))


def _words(project: Project) -> frozenset[str]:
    return project.facts.enterprise_literals()


def _mention(found_in: FoundIn, path: str, line: int, word: str, *, text: str, owner: str) -> Mention:
    return Mention(found_in=found_in, path=path, line=line, word=word, text=" ".join(text.split())[:200], owner=owner)


def _seeds(project: Project) -> Iterator[Mention]:
    """Rows of which a cell is an Enterprise value: the same as for columns with facts, a word elsewhere."""
    words = _words(project)
    for name, file in project.seeds.items():
        rows = csv.reader(io.StringIO(file.text))
        for row in rows:
            for word in named("\n".join(row), words):
                yield _mention("seed", file.path, rows.line_num, word, text=",".join(row), owner=name)


def _yaml(project: Project) -> Iterator[Mention]:
    words = _words(project)
    for path, text in project.yaml.items():
        try:
            tree = read_yaml(text)
        except NotYaml:
            continue  # a problem of the project already
        lines = text.splitlines()
        for key in _LISTS:
            for entry in tree.list(key) if tree is not None else ():
                for owner, scalar in _owned(entry, entry.word("name")):
                    yield from (
                        _mention(
                            "exposure" if key == "exposures" else "YAML",
                            path,
                            scalar.line,
                            word,
                            text=lines[scalar.line - 1],
                            owner=owner,
                        )
                        for word in named(scalar.text, words)
                    )


def _owned(entry: Entry, owner: str) -> Iterator[tuple[str, Entry]]:
    """Every scalar, with the names of the entries around it."""
    for key, value in entry.pairs():
        yield owner, key
        if key.text not in _NAMED:
            yield from ((owner, scalar) for scalar in value.scalars())
            continue
        for item in value.items():
            name = item.word("name")
            if name:
                yield from _owned(item, f"{owner}.{name}")
            else:
                yield from ((owner, scalar) for scalar in item.scalars())


def _macros(project: Project) -> Iterator[Mention]:
    for name, file in project.macros.items():
        first, body = macro_body(file, name)
        yield from _in_text("macro", SourceFile(file.path, body), _words(project), name, first)


def _snapshots(project: Project) -> Iterator[Mention]:
    for node in project.models:
        if node.resource == "snapshot" and node.path.endswith(".sql"):
            yield from _in_text("snapshot", SourceFile(node.path, node.text), _words(project), node.name, 1)


def _lines(project: Project, found_in: FoundIn, files: tuple[SourceFile, ...]) -> Iterator[Mention]:
    for file in files:
        yield from _in_text(found_in, file, _words(project), "", 1)


def _variables(project: Project) -> Iterator[Mention]:
    for name, value in project.variables.items():
        for scalar in value.scalars():
            for word in named(scalar.text, _words(project)):
                yield _mention("variable", "dbt_project.yml", scalar.line, word, text=scalar.text, owner=name)


def _in_text(found_in: FoundIn, file: SourceFile, words: frozenset[str], owner: str, first: int) -> Iterator[Mention]:
    for number, line in enumerate(file.text.splitlines(), first):
        for word in named(line, words):
            yield _mention(found_in, file.path, number, word, text=line, owner=owner)
