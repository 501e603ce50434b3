"""YAML files read as trees that know their lines, so that what is found in them can be pointed at and cut out.

PyYAML reads them, as dbt does: what dbt takes (`12:30:00` in braces) other readers refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml


class NotYaml(ValueError):
    """The text is no YAML. `line` is where (1-based)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Entry:
    """A node of a YAML file: a mapping, a list or a scalar. Asking one for what another has brings nothing."""

    node: Any

    @property
    def line(self) -> int:
        """The 1-based line on which it starts."""
        return int(self.node.start_mark.line) + 1

    @property
    def text(self) -> str:
        """A scalar's text; empty for anything else."""
        return self.node.value if isinstance(self.node.value, str) else ""

    @property
    def span(self) -> tuple[int, int]:
        """Offsets in the file; the end of a block may lie after blank lines and comments."""
        return int(self.node.start_mark.index), int(self.node.end_mark.index)

    def pairs(self) -> Iterator[tuple[Entry, Entry]]:
        """Keys and values of a mapping."""
        if self.node.id == "mapping":
            for key, value in self.node.value:
                yield Entry(key), Entry(value)

    def items(self) -> Iterator[Entry]:
        """Items of a list."""
        if self.node.id == "sequence":
            for item in self.node.value:
                yield Entry(item)

    def get(self, key: str) -> Entry | None:
        """The value of a key."""
        return next((value for name, value in self.pairs() if name.text == key), None)

    def word(self, key: str) -> str:
        """The scalar of a key, or nothing."""
        found = self.get(key)
        return found.text if found is not None else ""

    def list(self, key: str) -> Iterator[Entry]:
        """The items of a key's list."""
        found = self.get(key)
        return found.items() if found is not None else iter(())

    def scalars(self) -> Iterator[Entry]:
        """Every scalar below it, keys too, in the order of the text."""
        if isinstance(self.node.value, str):
            yield self
        for key, value in self.pairs():
            yield from key.scalars()
            yield from value.scalars()
        for item in self.items():
            yield from item.scalars()


def read_yaml(text: str) -> Entry | None:
    """The tree of a file; None for an empty one. Raises NotYaml."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise NotYaml(" ".join(str(error.problem).split()), line) from error
    except yaml.YAMLError as error:
        raise NotYaml(" ".join(str(error).split()), 0) from error
    return Entry(root) if root is not None else None
