"""A YAML file as plain values that know their line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Scalar: TypeAlias = str | int | float | bool | None
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Value:
    """One YAML value. `line` counts from 1; for the value of a key it is the key's line."""

    line: int
    content: Scalar | list[Value] | dict[str, Value]

    def get(self, key: str) -> Value | None:
        """The value of a key; None if this is no mapping or lacks it."""
        return self.content.get(key) if isinstance(self.content, dict) else None

    @property
    def items(self) -> list[Value]:
        """The items of a sequence; empty for anything else."""
        return self.content if isinstance(self.content, list) else []

    @property
    def text(self) -> str | None:
        """The text of a string that is not blank; None for anything else."""
        return self.content.strip() if isinstance(self.content, str) and self.content.strip() else None


class Problems:
    """Collects everything that is wrong, as `file:line: text`."""

    def __init__(self) -> None:
        self._found: list[tuple[str, int, str]] = []

    def __iter__(self) -> Iterator[str]:
        return (f"{file}:{line}: {text}" for file, line, text in sorted(self._found))

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, line: int, text: str) -> None:
        """Note one problem."""
        self._found.append((shown(path), line, text))


def shown(path: Path) -> str:
    """The path as a person in this folder would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1) or [k for k in known if k.lower() == word.lower()]
    return f"; did you mean {close[0]!r}?" if close else ""


def read(path: Path, problems: Problems) -> Value | None:
    """The file's one document. None, and a problem noted, when it is no YAML, empty, or not a mapping."""
    try:
        node = _composed(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        problems.add(path, *_complaint(error))
        return None
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        problems.add(path, 1, f"cannot be read: {error}")
        return None
    if node is None:
        problems.add(path, 1, "the file is empty")
        return None
    if not isinstance(node, MappingNode):
        problems.add(path, _line(node), "expected keys and values at the top of the file")
        return None
    return _value(node, _line(node), path, problems, inside=())


def _value(node: Node, line: int, path: Path, problems: Problems, *, inside: tuple[Node, ...]) -> Value:
    if any(outer is node for outer in inside):
        problems.add(path, line, "an alias that contains itself")
        return Value(line, None)
    inside = (*inside, node)
    if isinstance(node, MappingNode):
        entries: dict[str, Value] = {}
        for key_node, value_node in _pairs(node):
            key, at = str(key_node.value), _line(key_node)
            if key in entries:
                problems.add(path, at, f"the key {key!r} occurs twice")
            entries[key] = _value(value_node, at, path, problems, inside=inside)
        return Value(line, entries)
    if isinstance(node, SequenceNode):
        return Value(line, [_value(item, _line(item), path, problems, inside=inside) for item in _items(node)])
    return Value(line, _scalar(*_tagged(node)))


def _scalar(tag: str, text: str) -> Scalar:
    match tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if text.isdecimal():
            return int(text)
        case _:
            return text


# ruamel.yaml has no types for what it reads; the rest says what is known of it.


def _composed(text: str) -> Node | None:
    compose: Any = YAML(typ="safe").compose  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return compose(text)


def _complaint(error: Any) -> tuple[int, str]:
    mark = error.problem_mark or error.context_mark
    what = " ".join(str(part) for part in (error.context, error.problem) if part)
    return (mark.line + 1 if mark else 1), f"broken YAML: {what}"


def _pairs(node: Any) -> list[tuple[Any, Node]]:
    return node.value


def _items(node: Any) -> list[Node]:
    return node.value


def _tagged(node: Any) -> tuple[str, str]:
    return str(node.tag), str(node.value)


def _line(node: Any) -> int:
    return node.start_mark.line + 1
