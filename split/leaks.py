"""What is left of Enterprise in a project and in its tables: every word of the facts, in every text and every value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from split.facts import Facts
from split.report_model import Record
from split.verify.data_set import quoted

_NOT_SOUGHT = ("target", "dbt_packages", "logs", ".git", ".venv", "__pycache__", "node_modules")
_SHOWN = 160
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_TEXT_TYPES = ("VARCHAR", "JSON", "ENUM")


class AllowListError(ValueError):
    """The allow-list is wrong. The message names the file, the place and what to do."""


class Leak(Record):
    """A word that is still there.

    Attributes:
        place: `file:line`, the file's own name where the word is in it, or `table.column`.
        count: occurrences in the line, or rows with such a value.
        allowed: why it may stay; None where it may not.
    """

    where: Literal["project", "data"]
    place: str
    word: str
    count: int
    example: str
    allowed: str | None = None


class Allowed(BaseModel):
    """What may stay, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str = Field(min_length=1, description="File (with * for any characters) or table.column.")
    words: tuple[str, ...] = Field(default=(), description="Only these words; all of them where none is listed.")
    reason: str = Field(min_length=1, description="Why it may stay.")

    def covers(self, leak: Leak) -> bool:
        """Whether it is about this place and word."""
        place = re.sub(r":\d+$", "", leak.place) if leak.where == "project" else leak.place
        return fnmatch(place.lower(), self.place.lower()) and (
            not self.words or leak.word.lower() in {w.lower() for w in self.words}
        )


class AllowList(BaseModel):
    """The allow-list file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed: tuple[Allowed, ...] = ()

    def judge(self, leaks: Iterable[Leak]) -> list[Leak]:
        """The leaks, each with the reason for which it may stay."""
        found: list[Leak] = []
        for leak in leaks:
            reason = next((a.reason for a in self.allowed if a.covers(leak)), None)
            found.append(leak.model_copy(update={"allowed": reason}))
        return found

    def unused(self, leaks: Sequence[Leak]) -> list[Allowed]:
        """Entries that cover nothing any more."""
        return [a for a in self.allowed if not any(a.covers(leak) for leak in leaks)]


@dataclass(frozen=True)
class _Word:
    word: str
    pattern: re.Pattern[str]


def load_allow_list(file: Path) -> AllowList:
    """Read an allow-list. Raises AllowListError."""
    try:
        content: Any = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
        return AllowList.model_validate(content if content is not None else {})
    except FileNotFoundError:
        raise AllowListError(f"{file}: there is no such file.") from None
    except (MarkedYAMLError, UnicodeDecodeError) as error:
        raise AllowListError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        wrong = [f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise AllowListError(f"{file}: {len(wrong)} entries are wrong:\n" + "\n".join(wrong)) from None


def project_leaks(
    project: Path, facts: Facts, allow: AllowList | None = None, *, not_sought: Path | None = None
) -> list[Leak]:
    """Every line of every text file of a project that has one of the words, and every file name that has one.

    Args:
        not_sought: a file of the project that names Enterprise on purpose: the facts.
    """
    words = [*_words(facts), *_tables(facts)]
    found: list[Leak] = []
    for file in sorted(project.rglob("*")):
        name = file.relative_to(project).as_posix()
        if not file.is_file() or file == not_sought or any(part in _NOT_SOUGHT for part in Path(name).parts):
            continue
        found += [_leak("project", name, word, count, name) for word, count in _found(name, words)]
        found += _in_text(name, file, words)
    return (allow or AllowList()).judge(found)


def data_leaks(tables: Path, facts: Facts, allow: AllowList | None = None) -> list[Leak]:
    """Every text column of a DuckDB file with a value that is or holds one of the words, by column and word.

    Texts within structs, lists and maps are looked at as well.
    """
    words = _words(facts)
    found: list[Leak] = []
    query = (
        "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE NOT internal ORDER BY ALL"
    )
    with duckdb.connect(str(tables), read_only=True) as connection:
        for database, schema, table, column, kind in connection.execute(query).fetchall():
            if any(name in kind for name in _TEXT_TYPES):
                relation = ".".join(quoted(part) for part in (database, schema, table))
                found += _in_column(connection, relation, f"{table}.{column}", column, words)
    return (allow or AllowList()).judge(found)


def _in_text(name: str, file: Path, words: Sequence[_Word]) -> Iterator[Leak]:
    content = file.read_bytes()
    if b"\0" in content:
        return
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
        for word, count in _found(line, words):
            yield _leak("project", f"{name}:{number}", word, count, " ".join(line.split()))


def _in_column(
    connection: duckdb.DuckDBPyConnection, relation: str, place: str, column: str, words: Sequence[_Word]
) -> Iterator[Leak]:
    counts: dict[str, int] = {}
    examples: dict[str, str] = {}
    name = quoted(column)
    read = connection.execute(
        f"SELECT CAST({name} AS VARCHAR), count(*) FROM {relation} WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 1"  # noqa: S608
    )
    while rows := read.fetchmany(10_000):
        for value, count in rows:
            for word, _ in _found(value, words):
                counts[word] = counts.get(word, 0) + count
                examples.setdefault(word, value)
    for word, count in counts.items():
        yield _leak("data", place, word, count, examples[word])


def _leak(where: Literal["project", "data"], place: str, word: str, count: int, example: str) -> Leak:
    return Leak(where=where, place=place, word=word, count=count, example=example[:_SHOWN])


def _found(text: str, words: Sequence[_Word]) -> Iterator[tuple[str, int]]:
    for word in words:
        if count := len(word.pattern.findall(text)):
            yield word.word, count


def _words(facts: Facts) -> list[_Word]:
    """Enterprise words, longest first. A value that a Commercial value of the facts is as well is none."""
    commercial = {
        str(v).lower() for t in facts.tables.values() for c in t.columns.values() for v in c.commercial
    }  # fmt: skip
    spelled = {w.lower(): w for w in sorted(facts.enterprise_literals(), reverse=True) if w.strip()}
    sought = {word for lower, word in spelled.items() if lower not in commercial}  # a word is sought in any case
    return [_Word(word, spellings(word)) for word in sorted(sought, key=lambda w: (-len(w), w))]


def _tables(facts: Facts) -> Iterator[_Word]:
    """Mentions in Jinja of tables that hold Enterprise rows only."""
    for table, known in facts.tables.items():
        if known.only == "enterprise":
            named = r"\s*,\s*".join(rf"""['"]{re.escape(part)}['"]""" for part in table.split("."))
            yield _Word(table, re.compile(rf"\b(?:source|ref)\(\s*{named}\s*\)"))


def spellings(word: str) -> re.Pattern[str]:
    """A pattern for a word in any case, with its parts joined by nothing, blanks, underscores, hyphens or humps.

    It matches whole words only; underscores and humps end a word, as in `is_gov_cloud`, `govCloudOrders`.
    """
    parts = [re.escape(p) for p in _PARTS.findall(word)]
    if not parts:
        return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    joined = r"[\s_\-]*".join(f"(?i:{p})" for p in parts)
    humps = r"[\s_\-]*".join(p[:1].upper() + p[1:].lower() for p in parts)
    camel = r"[\s_\-]*".join([parts[0].lower(), *(p[:1].upper() + p[1:].lower() for p in parts[1:])])
    apart = rf"(?<![^\W_]){joined}(?![^\W_])"
    inside = rf"(?<=[a-z0-9]){humps}(?![a-z])|(?<![^\W_])(?:{humps}|{camel})(?=[A-Z0-9])"
    return re.compile(f"{apart}|{inside}")
