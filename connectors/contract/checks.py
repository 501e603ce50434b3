"""Small checks on one file's values. Each notes what is wrong and goes on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from connectors.contract.document import Problems, Value, did_you_mean


@dataclass(frozen=True)
class Checks:
    """The file being checked, and where its problems go."""

    path: Path
    problems: Problems

    def bad(self, at: Value, text: str) -> None:
        """Note a problem at a value's line."""
        self.problems.add(self.path, at.line, text)

    def keys(self, value: Value | None, known: Collection[str], where: str) -> None:
        """No key but the known ones."""
        if value is None or value.content is None:
            return
        if not isinstance(value.content, dict):
            self.bad(value, f"{where}: expected keys and values")
            return
        for key, entry in value.content.items():
            if key not in known:
                self.bad(entry, f"{where}: unknown key {key!r}{did_you_mean(key, known)}")

    def text(self, owner: Value, key: str, where: str) -> str:
        """The text under a key that must be there; empty when it is not."""
        value = owner.get(key)
        if value is None:
            self.bad(owner, f"{where}: {key} is missing")
            return ""
        if value.text is None:
            self.bad(value, f"{where}: {key} {'is empty' if value.content in (None, '') else 'must be text'}")
        return value.text or ""

    def one_of(self, value: Value, known: Collection[str], where: str) -> str:
        """A text that must be one of the known ones; empty when it is not."""
        if isinstance(value.content, str) and value.content in known:
            return value.content
        word = "" if value.content is None else str(value.content)
        self.bad(value, f"{where}: {word!r} is not one of {', '.join(known)}{did_you_mean(word, known)}")
        return ""

    def column(self, value: Value, columns: Collection[str], where: str) -> str:
        """The name of one of the table's columns; empty when it is none."""
        if isinstance(value.content, str) and value.content in columns:
            return value.content
        word = "" if value.content is None else str(value.content)
        self.bad(value, f"{where}: {word!r} is no column of the table{did_you_mean(word, columns)}")
        return ""

    def columns(self, value: Value | None, columns: Collection[str], where: str) -> tuple[str, ...]:
        """The names of a list of columns, each once."""
        if value is None:
            return ()
        if not isinstance(value.content, list):
            self.bad(value, f"{where}: expected a list of columns")
            return ()
        names = [name for item in value.items if (name := self.column(item, columns, where))]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.bad(value, f"{where}: {name!r} occurs twice")
        return tuple(dict.fromkeys(names))
