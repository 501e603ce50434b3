"""Known errors are logged as cause and remedy; a bug keeps its traceback."""

from __future__ import annotations

import logging

import pytest

import flows.console
from connectors.errors import MgdwError, RateLimited, SourceUnavailable

pytestmark = pytest.mark.filterwarnings("ignore:Logger .* attempted to send logs to the API")

DOWN = SourceUnavailable("zuora: POST /oauth/token got no answer")
LIMITED = RateLimited("salesforce: 5000 of 5000 API calls are used")


@pytest.mark.parametrize("logger", ["prefect.flow_runs", "prefect.task_runs", "prefect.engine"])
@pytest.mark.parametrize(
    ("error", "known"),
    [
        (DOWN, [DOWN]),
        (ExceptionGroup("2 of 3 batches failed", [DOWN, LIMITED]), [DOWN, LIMITED]),
        (ExceptionGroup("outer", [ExceptionGroup("inner", [DOWN, DOWN])]), [DOWN]),
    ],
)
def test_known_errors_are_logged_in_words_alone_and_in_groups(
    caplog: pytest.LogCaptureFixture, logger: str, error: Exception, known: list[MgdwError]
) -> None:
    flows.console.install()
    flows.console.install()
    logging.getLogger(logger).error("Encountered exception during execution: %r", error, exc_info=error)
    (record,) = caplog.records
    assert record.getMessage() == "\n".join(str(one) for one in known)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("error", [KeyError("id"), ExceptionGroup("mixed", [DOWN, KeyError("id")])])
def test_a_bug_keeps_its_traceback_also_among_known_errors(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    logging.getLogger("prefect.flow_runs").error("Encountered exception during execution", exc_info=error)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "KeyError" in caplog.text
