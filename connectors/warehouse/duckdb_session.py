"""One connection that runs statements until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

_SETTINGS = ("SET TimeZone = 'UTC'", "SET preserve_insertion_order = false")


class Session:
    """A cursor of its own. Used by one thread; any thread may `stop` it.

    Args:
        watch: called with each statement before it runs; what it raises ends the work.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, watch: Callable[[str], None] | None = None) -> None:
        self._cursor = cursor
        self._watch = watch
        self._stopped = False

    def start(self) -> None:
        """Settle what a statement may rely on."""
        for setting in _SETTINGS:
            self._cursor.execute(setting)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows. Raises duckdb.InterruptException once stopped."""
        if self._stopped and sql != "ROLLBACK":
            raise duckdb.InterruptException("stopped by the caller")
        if self._watch:
            self._watch(sql)
        return self._cursor.execute(sql).fetchall()

    def columns(self) -> list[str]:
        """Column names of the statement run last."""
        return [column[0] for column in self._cursor.description or ()]

    def stop(self) -> None:
        """Interrupt the running statement and refuse the next ones."""
        self._stopped = True
        self._cursor.interrupt()

    def close(self) -> None:
        """Give the cursor back; an open transaction is rolled back."""
        self._cursor.close()
