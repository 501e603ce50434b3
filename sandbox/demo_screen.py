"""What the demo shows while it works: one line a table, with rows, rate and state."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from connectors.progress import ProgressEvent

_DONE = {"loaded": "[green]loaded[/]", "unchanged": "[dim]unchanged[/]", "failed": "[red]failed[/]"}


@dataclass
class _Line:
    source: str
    table: str
    stage: str = "planned"
    rows: int = 0
    note: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started


class DemoScreen:
    """Shows progress events: live on a terminal, one line per finished table elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[tuple[str, str], _Line] = {}
        self._lock = threading.Lock()
        self._live = (
            Live(console=console, refresh_per_second=8, get_renderable=self._render) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def on_event(self, event: ProgressEvent) -> None:
        """Take note of an event; callable from any thread."""
        if not event.table:
            return
        with self._lock:
            line = self._lines.setdefault((event.source, event.table), _Line(event.source, event.table))
            line.stage, line.note = event.stage, event.note
            line.rows = max(line.rows, event.rows)
            if event.stage in _DONE:
                line.ended = time.monotonic()
        if self._live is None and event.stage in _DONE:
            rows = f"{line.rows:>8,} rows" if line.rows or line.source not in ("dbt", "tableau") else " " * 13
            told = f"{line.seconds:5.1f} s  {event.stage} {event.note}".rstrip()
            self._console.print(f"  {event.source:<11}{event.table:<27}{rows}  {told}")

    def _render(self) -> Table:
        grid = Table(box=None, padding=(0, 1))
        for title in ("source", "table"):
            grid.add_column(title, style="dim" if title == "source" else "")
        for title in ("rows", "rows/s", "s"):
            grid.add_column(title, justify="right")
        grid.add_column("state")
        with self._lock:
            for line in self._lines.values():
                rate = f"{line.rows / line.seconds:,.0f}" if line.rows and line.seconds > 0 else ""
                state = _DONE.get(line.stage) or Spinner("dots", line.stage)
                grid.add_row(
                    line.source, line.table, f"{line.rows:,}" if line.rows else "", rate, f"{line.seconds:.1f}", state
                )
        return grid
