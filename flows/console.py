"""Errors as people should read them: cause and remedy, no traceback, wherever Prefect logs a known error."""

from __future__ import annotations

import atexit
import logging
import os

from connectors.errors import MgdwError
from flows.failures import flatten

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine", "prefect.flow_engine", "prefect.task_engine")
"""Where Prefect logs an exception of a flow or a task."""


class KnownErrorsInWords(logging.Filter):
    """Turns a logged exception of our own tree into its text, also a group of them. Others keep their traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        leaves = flatten(error) if error else []
        if leaves and all(isinstance(leaf, MgdwError) for leaf in leaves):
            record.msg, record.args = "\n".join(dict.fromkeys(str(leaf) for leaf in leaves)), ()
            record.exc_info = None
            record.exc_text = None
        return True


def install() -> None:
    """Put the filter on Prefect's run loggers, before any handler: console, UI and tests read the same text.

    Prefect may set its logging up earlier or later; it replaces handlers then, and leaves a logger's filters alone.
    """
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(f, KnownErrorsInWords) for f in logger.filters):
            logger.addFilter(KnownErrorsInWords())
    atexit.register(_hush_bindings)


def _hush_bindings() -> None:
    """Silence what is printed after Python's own end.

    After a flow DuckDB's binding reports its own constants as leaked there; loads without Prefect show none of it. What
    holds them was not found; nothing of ours is open by then.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
