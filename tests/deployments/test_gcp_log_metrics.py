"""The log metrics, tried on records that a real run writes to its console."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from sandbox.prefect_server import PrefectServer
from tests.deployments.configuration import ROOT, Configuration

RUNS = """
from datetime import UTC, datetime
from prefect import flow
from connectors.warehouse import LoadResult
from connectors.window import Window
from flows.alerts import post
from flows.load import log_loaded

@flow(name="salesforce")
async def works():
    window = Window(None, datetime.now(UTC))
    log_loaded(LoadResult("sfdc_account", "b1", window, read=30, inserted=27, quarantined=3))

@flow(name="daily-refresh")
async def breaks():
    await works()
    await post("nobody hears this")
    raise ValueError("on purpose")

import asyncio
try:
    asyncio.run(breaks())
except ValueError:
    pass
"""


@pytest.fixture(scope="module")
def records(prefect_server: PrefectServer) -> list[dict[str, Any]]:
    """What two runs, one inside the other, write to stderr, in the form that `settings` asks for."""
    outputs = Configuration.here().outputs()["settings"]["value"]
    form = {name: value for name, value in outputs.items() if name.startswith("PREFECT_LOGGING")}
    assert form
    done = subprocess.run(
        [sys.executable, "-c", RUNS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300,
        env={**os.environ, **prefect_server.environment(), **form, "PREFECT_LOGGING_LEVEL": "INFO"},
    )  # fmt: skip
    return [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]


def matching(metric: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records that the metric's filter lets through, as far as it speaks of their content."""
    text = _unescaped(Configuration.here().locals()["metrics"][metric]["filter"])
    conditions = re.findall(r'jsonPayload\.(\w+)(=~|=)"((?:[^"\\]|\\.)*)"', text)
    assert conditions

    def holds(record: dict[str, Any], field: str, operator: str, value: str) -> bool:
        said = record.get(field, "")
        if isinstance(said, list):  # Logging query language: a comparison holds for a list when it does for one of it
            return value in said
        said = str(said)
        return bool(re.search(value, said)) if operator == "=~" else said == value

    return [record for record in records if all(holds(record, *condition) for condition in conditions)]


def extracted(expression: str, record: dict[str, Any]) -> str:
    """What a value or label extractor takes from a record."""
    text = _unescaped(expression)
    if whole := re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", text):
        return str(record[whole[1]])
    part = re.fullmatch(r'REGEXP_EXTRACT\(jsonPayload\.(\w+), "(.*)"\)', text)
    assert part
    found = re.search(part[2], record[part[1]])
    assert found
    return found[1]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def test_a_failed_run_counts_once_under_its_flow(records: list[dict[str, Any]]) -> None:
    labels = Configuration.here().locals()["metrics"]["flow_runs_failed"]["labels"]
    assert [extracted(labels["flow"], r) for r in matching("flow_runs_failed", records)] == ["daily-refresh"]


def test_a_run_that_ended_well_counts_once_under_its_flow(records: list[dict[str, Any]]) -> None:
    labels = Configuration.here().locals()["metrics"]["flow_runs_completed"]["labels"]
    assert [extracted(labels["flow"], r) for r in matching("flow_runs_completed", records)] == ["salesforce"]


def test_rows_loaded_are_taken_with_their_table(records: list[dict[str, Any]]) -> None:
    metric = Configuration.here().locals()["metrics"]["rows_loaded"]
    (record,) = matching("rows_loaded", records)
    assert (extracted(metric["labels"]["table"], record), extracted(metric["value"], record)) == ("sfdc_account", "30")


def test_rows_in_quarantine_are_taken_with_their_table(records: list[dict[str, Any]]) -> None:
    metric = Configuration.here().locals()["metrics"]["rows_quarantined"]
    (record,) = matching("rows_quarantined", records)
    assert (extracted(metric["labels"]["table"], record), extracted(metric["value"], record)) == ("sfdc_account", "3")


def test_a_failure_that_slack_did_not_hear_of_counts(records: list[dict[str, Any]]) -> None:
    assert len(matching("alerts_undelivered", records)) == 1


def test_every_record_says_how_bad_it_is_in_the_field_that_cloud_logging_reads(records: list[dict[str, Any]]) -> None:
    assert {record["severity"] for record in records} >= {"INFO", "WARNING", "ERROR"}


def test_a_line_about_a_run_that_died_is_the_worker_s() -> None:
    import prefect_kubernetes.observer as observer

    source = observer.__loader__.get_source(observer.__name__) or ""
    assert "has failed and no other active jobs found for flow run {flow_run_id}, marking as crashed" in source
    line = "Job mg-dw-x1 has failed and no other active jobs found for flow run 8ba0-5d20, marking as crashed"
    assert matching("flow_runs_lost", [{"msg": line}])
    assert not matching("flow_runs_lost", [{"msg": "Job mg-dw-x1 has succeeded"}])


def test_a_message_that_the_server_could_not_send_counts_and_no_other_failed_action_does() -> None:
    import prefect.server.events.actions as actions
    from prefect.logging.formatters import JsonFormatter

    source = actions.__loader__.get_source(actions.__name__) or ""
    assert 'logger.warning(\n            "Action failed: %r",\n            reason,' in source
    assert 'raise ActionFailed("Notification failed")' in source
    form = JsonFormatter("default", "", "%")
    for reason, counts in (("Notification failed", 1), ("Failed to set state: Run is already in terminal state", 0)):
        record = actions.logger.makeRecord(
            actions.logger.name, logging.WARNING, "", 0, "Action failed: %r", (reason,), None
        )
        assert len(matching("alerts_refused", [json.loads(form.format(record))])) == counts
