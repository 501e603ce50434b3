"""One small world on its first, second and eleventh day, read once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from sandbox.model.journal import Books
from sandbox.summary import DaySummary
from sandbox.world import SandboxFile, World
from tests.sandbox.model.definitions import recomputed_books
from tests.sandbox.model.ties import TIES

DAYS = (1, 2, 11)


@dataclass(frozen=True)
class Stage:
    """What was seen on one day."""

    now: datetime
    books: Books
    recomputed: Books
    violations: dict[str, list[tuple[object, ...]]]
    files: dict[str, SandboxFile]
    summary: DaySummary | None


@dataclass(frozen=True)
class Story:
    """The stages by day, and the world on the last of them."""

    stages: dict[int, Stage]
    world: World


@pytest.fixture(scope="session")
def story() -> Iterator[Story]:
    world = World.create(scale=1.0, seed=7)
    stages: dict[int, Stage] = {}
    summary = None
    for before, day in zip((DAYS[0], *DAYS), DAYS, strict=False):
        if day > before:
            summary = world.advance(day - before)
        stages[day] = Stage(
            world.now,
            world.books(),
            recomputed_books(world),
            {name: world.sql(f"{sql} LIMIT 5").fetchall() for name, sql in TIES.items()},
            {file.key: file for file in world.files()},
            summary,
        )
    yield Story(stages, world)
    world.close()
