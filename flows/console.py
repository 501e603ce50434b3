"""Errors as people should read them: cause and remedy, no traceback, wherever Prefect logs a known error."""

from __future__ import annotations

import logging

from connectors.errors import MgdwError


class KnownErrorsInWords(logging.Filter):
    """Turns a logged exception of our own tree into its text. Unknown exceptions keep their traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, MgdwError):
            record.msg, record.args = str(error), ()
            record.exc_info = None
            record.exc_text = None
        return True


def install() -> None:
    """Put the filter on every handler that Prefect's run loggers reach."""
    for name in ("prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.flow_engine"):
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(f, KnownErrorsInWords) for f in handler.filters):
                handler.addFilter(KnownErrorsInWords())
