"""Progress events: connectors say what they did, whoever shows it subscribes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Stage = Literal["planned", "waiting", "extracting", "extracted", "loading", "loaded", "unchanged", "failed"]


@dataclass(frozen=True)
class ProgressEvent:
    """One step of one table.

    Attributes:
        rows, bytes: totals of the batch so far.
        of_rows, of_bytes: what the batch will have, where the source has told; else 0.
        batches: with `planned`, how many batches of the table will come.
    """

    source: str
    table: str
    stage: Stage
    rows: int = 0
    bytes: int = 0
    note: str = ""
    of_rows: int = 0
    of_bytes: int = 0
    batches: int = 0


_listeners: list[Callable[[ProgressEvent], None]] = []


def emit(event: ProgressEvent) -> None:
    """Tell every subscriber. Cheap enough to call once a page."""
    for listener in _listeners:
        listener(event)


@contextmanager
def subscribed(listener: Callable[[ProgressEvent], None]) -> Generator[None]:
    """Receive every event of this process while the block runs. The listener may be called from any thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
