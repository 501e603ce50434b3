"""Where a run meets the world outside in this process: the lake and the warehouse, with every write noted."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import duckdb

from connectors.batch import Manifest
from connectors.google import GoogleAccess
from connectors.lake import PartWriter
from connectors.lake.gcs import GcsLake
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.reliability.effects import Channel, CrashError, Due, Effects

_INSIDE = re.compile(
    r"\s*((SELECT|SET|WITH|FROM|ROLLBACK|PRAGMA|DESCRIBE)\b|CREATE (OR REPLACE )?TEMP\b"
    r'|\w+ (FROM |INTO )?(temp\.)?"?batch_)',
    re.IGNORECASE,
)
"""Statements that nobody else can see the effect of: reads, and the connection's own temporary tables."""
_TARGET = re.compile(r'\b(?:INTO|UPDATE|FROM|TABLE|VIEW|COLUMN|SCHEMA)\s+(?:IF NOT EXISTS\s+)?([\w."]+)', re.IGNORECASE)
_DIGEST = re.compile(r"_[0-9a-f]{32}$")
"""Ends the name of a batch's own table in BigQuery, another in each run."""
_moves: list[tuple[Path, Effects]] = []
"""The lake whose renames and links are watched, innermost last."""


@contextlib.contextmanager
def effect(effects: Effects, channel: Channel, label: str) -> Generator[Due, None, None]:
    """Do the effect in the block; it goes wrong before or after if it is the step's."""
    due = effects.due(channel, label)
    _wrong(effects, due, due.goes_wrong("before"))
    yield due
    _wrong(effects, due, due.goes_wrong("after"))


def _wrong(effects: Effects, due: Due, mode: str | None) -> None:
    if mode == "kill":
        effects.kill()
    if mode == "stop":
        raise CrashError(str(due.step))
    if mode == "lapse":
        raise duckdb.TransactionException("TransactionContext Error: Conflict on update!")


class _WalkedWrites:
    """A lake each of whose writes is an effect. Comes before the lake's own class."""

    _effects: Effects

    @contextlib.asynccontextmanager
    async def new_part(self, prefix: str, name: str, **about: Any) -> AsyncGenerator[Any]:
        what = f"{about['kind']} of {_table(prefix)}"
        opening = super().new_part(prefix, name, **about)  # type: ignore[misc]
        async with contextlib.AsyncExitStack() as stack:
            with effect(self._effects, "lake", f"open {what}"):
                writer = await stack.enter_async_context(opening)
            yield _WalkedWriter(writer, self._effects, what)
            with effect(self._effects, "lake", f"close {what}"):
                await stack.aclose()

    async def note(self, prefix: str, name: str, text: str) -> None:
        with effect(self._effects, "lake", f"note for {_table(prefix)}"):
            await super().note(prefix, name, text)  # type: ignore[misc]

    async def commit(self, manifest: Manifest) -> Manifest:
        with effect(self._effects, "lake", f"manifest of {manifest.table}"):
            return await super().commit(manifest)  # type: ignore[misc]


class WalkedLake(_WalkedWrites, LocalLake):
    """The local lake."""

    def __init__(self, root: Path, effects: Effects) -> None:
        super().__init__(root)
        self._effects = effects


class WalkedBucket(_WalkedWrites, GcsLake):
    """The lake in Cloud Storage."""

    def __init__(self, effects: Effects, bucket: str, prefix: str, google: GoogleAccess) -> None:
        super().__init__(bucket, prefix, google=google)
        self._effects = effects


class _WalkedWriter:
    def __init__(self, writer: PartWriter, effects: Effects, what: str) -> None:
        self._writer = writer
        self._effects = effects
        self._what = what

    async def write(self, chunk: bytes) -> None:
        with effect(self._effects, "lake", f"write {self._what}"):
            await self._writer.write(chunk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def _table(prefix: str) -> str:
    """The table of `raw/<source>/<table>/…`; what stands there where there is none."""
    return prefix.split("/")[:3][-1]


@contextlib.contextmanager
def moves_watched(root: Path, effects: Effects) -> Generator[None, None, None]:
    """Make each rename and link below `root` an effect, seen just before the kernel is asked."""
    _moves.append((root, effects))
    try:
        yield
    finally:
        _moves.pop()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _moves and event in ("os.rename", "os.link"):
        root, effects = _moves[-1]
        target = Path(arguments[1])
        if target.is_relative_to(root):
            what = f"{event.removeprefix('os.')} for {_table(str(target.relative_to(root)))}"
            due = effects.due("lake", what)
            _wrong(effects, due, due.step.mode if due.step else None)


sys.addaudithook(_audit)


class WalkedWarehouse(DuckDBWarehouse):
    """The DuckDB warehouse, each statement that writes an effect."""

    def __init__(self, path: Path, effects: Effects, **settings: Any) -> None:
        super().__init__(path, **settings)
        self._effects = effects

    def _open(self) -> duckdb.DuckDBPyConnection:
        return _WalkedConnection(super()._open(), self._effects)  # type: ignore[return-value]


class _WalkedConnection:
    def __init__(self, connection: duckdb.DuckDBPyConnection, effects: Effects) -> None:
        self._connection = connection
        self._effects = effects

    def cursor(self) -> _WalkedConnection:
        return _WalkedConnection(self._connection.cursor(), self._effects)

    def execute(self, sql: str, *arguments: Any) -> duckdb.DuckDBPyConnection:
        if _INSIDE.match(sql):
            return self._connection.execute(sql, *arguments)
        with effect(self._effects, "warehouse", statement(sql)):
            return self._connection.execute(sql, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def before_each(effects: Effects) -> Callable[[str], None]:
    """What BigQuery is to be asked is an effect, seen just before it is sent; a query that changes nothing is none."""

    def watch(sql: str) -> None:
        if not _INSIDE.match(sql):
            due = effects.due("warehouse", statement(sql))
            _wrong(effects, due, due.goes_wrong("before"))

    return watch


def statement(sql: str) -> str:
    """The label of a statement that writes: its verb and what it writes to."""
    verb = sql.split(None, 1)[0].upper().rstrip(";")
    target = _TARGET.search(sql)
    return f"{verb} {_DIGEST.sub('', target[1].replace(chr(34), '').rpartition('.')[2])}" if target else verb
