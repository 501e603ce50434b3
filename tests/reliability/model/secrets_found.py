"""Looks for planted secrets in everything that an example has left."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from tests.reliability.model.stage import Stage


def traces(stage: Stage, errors: Iterable[BaseException], secrets: Iterable[str]) -> list[str]:
    """Where a secret was found: in a log record, an error, an object of the lake, or a table of STG."""
    places = [("log", text) for text in stage.said]
    for error in errors:
        places += [("error", text) for text in _texts(error)]
    for path in stage.lake.root.rglob("*"):
        if path.is_file():
            places += [(str(path.name), content) for content in _contents(path)]
    for name in stage.tables():
        rows = stage.read(f'SELECT * FROM "STG"."{name}"')
        places.append((f"table {name}", repr(rows)))
    return [f"{place}: {text[:300]}" for place, text in places for secret in secrets if secret in text]


def _texts(error: BaseException) -> Iterable[str]:
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield f"{found} {found!r} {getattr(found, 'facts', '')} {getattr(found, '__notes__', '')}"
        # A chain that was cut with `from None` is not printed, and not looked at.
        left.append(found.__cause__)
        if not found.__suppress_context__:
            left.append(found.__context__)
        if isinstance(found, BaseExceptionGroup):
            left += found.exceptions


def _contents(path: Path) -> Iterable[str]:
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    if content.startswith(b"\x1f\x8b"):
        try:
            yield gzip.decompress(content).decode("utf-8", "replace")
        except (OSError, EOFError):
            return
