"""The Terraform files of one folder as a tree of blocks, for assertions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[2]
GCP = ROOT / "deployments" / "gcp"

Body = dict[str, Any]
"""A block's arguments and blocks; a nested block is always a list of bodies."""


@dataclass(frozen=True)
class Configuration:
    """One root module: file name → text.

    Raises (from any property): lark.exceptions.LarkError for a file that is not HCL.
    """

    files: dict[str, str]

    @classmethod
    def here(cls) -> Configuration:
        """`deployments/gcp` as it is."""
        return cls.of(GCP)

    @classmethod
    def of(cls, folder: Path) -> Configuration:
        """The `.tf` files of a folder."""
        return cls({path.name: path.read_text() for path in sorted(folder.glob("*.tf"))})

    @cached_property
    def text(self) -> str:
        """All files, without comments."""
        return "\n".join(_without_comments(text) for text in self.files.values())

    @cached_property
    def blocks(self) -> list[tuple[str, tuple[str, ...], Body]]:
        """Every top-level block: its kind, its labels, its body."""
        return [found for text in self.files.values() for found in _parsed(text)]

    def _of(self, kind: str) -> Iterator[tuple[tuple[str, ...], Body]]:
        return ((labels, body) for found, labels, body in self.blocks if found == kind)

    def resources(self, kind: str | None = None) -> list[tuple[str, str, Body]]:
        """(type, name, body) of each resource, or of those of one type."""
        return [(t, n, body) for (t, n), body in self._of("resource") if kind in (None, t)]

    def resource(self, kind: str, name: str) -> Body:
        """One resource. Raises KeyError when there is none."""
        return {n: body for _, n, body in self.resources(kind)}[name]

    def data(self) -> list[tuple[str, str, Body]]:
        """(type, name, body) of each data source."""
        return [(t, n, body) for (t, n), body in self._of("data")]

    def variables(self) -> dict[str, Body]:
        """Variable → its block."""
        return {name: body for (name,), body in self._of("variable")}

    def outputs(self) -> dict[str, Body]:
        """Output → its block."""
        return {name: body for (name,), body in self._of("output")}

    def locals(self) -> Body:
        """Every local value."""
        return {name: value for _, body in self._of("locals") for name, value in body.items()}

    def providers(self) -> list[Body]:
        """Every provider block."""
        return [body for _, body in self._of("provider")]


@cache
def _parsed(text: str) -> tuple[tuple[str, tuple[str, ...], Body], ...]:
    return tuple(_top_level(hcl2.loads(text)))


def _top_level(tree: Body) -> Iterator[tuple[str, tuple[str, ...], Body]]:
    for kind, entries in tree.items():
        for entry in entries:
            labels: list[str] = []
            body = entry
            while isinstance(body, dict) and len(body) == 1 and not body.get("__is_block__"):
                ((label, body),) = body.items()
                labels.append(label.strip('"'))
            yield kind, tuple(labels), _plain(body)


def _plain(value: Any) -> Any:
    """Without the parser's own marks and quotes."""
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items() if not k.startswith("__")}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def _without_comments(text: str) -> str:
    return re.sub(r"^\s*(#|//).*$", "", text, flags=re.MULTILINE)
