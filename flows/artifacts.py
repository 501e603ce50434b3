"""Artifacts are for people to read. One that cannot be written (the server restarts) is no reason for a run to fail."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import Artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

_said: set[tuple[str | None, str]] = set()
"""Run and kind of failure that are in the log already."""


async def publish(artifact: Artifact) -> UUID | None:
    """Write an artifact of this run. Returns its id; None, and a line in the log, when it could not be written."""
    with harmless(f"artifact {artifact.key}"):
        return (await artifact.acreate()).id
    return None


@contextmanager
def harmless(what: str) -> Generator[None]:
    """What fails inside is told once a run in its log, and nothing else comes of it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the load it tells of goes on
        key = (flow_run.id, type(error).__name__)
        if key not in _said:
            _said.add(key)
            text = " ".join(str(error).split())[:200]
            get_run_logger().warning(
                "%s was not written, the run goes on without: %s: %s", what, type(error).__name__, text
            )
