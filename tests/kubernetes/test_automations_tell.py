"""Each incident is told once: a real server, the automations of the files, a Slack that listens.

The server is on PostgreSQL, as in the cluster: on SQLite two triggers that one event concerns meet in its lock, and
after four tries at once Prefect's broker puts the event away for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, PREFECT_UI_URL, temporary_settings
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Completed, Crashed, Failed, Pending, Running

from connectors.errors import ConfigurationError
from flows.alerts import tell_slack
from flows.automation_file import read_automations
from flows.automations import BLOCK, apply, webhook_block
from flows.failures import Failure, StepFailed
from flows.time_limit import time_limited
from sandbox import slack
from sandbox.faults import Faults
from sandbox.prefect_server import PrefectServer
from sandbox.server import Servers
from tests.kubernetes.incidents import POOL, Incidents, Listening, eventually, hurried
from tests.kubernetes.stage_postgres import Postgres

WAIT = "Run the flow again later."


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server of its own, that this process talks to while the module's tests run."""
    folder = tmp_path_factory.mktemp("automations")
    server = PrefectServer(folder / "prefect")
    with Postgres(folder) as postgres, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", postgres.url)
        server.start()
        server.wait()
        here = {PREFECT_API_URL: f"{server.url}/api", PREFECT_UI_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}
        with temporary_settings(here):
            yield server
        server.stop()


@pytest.fixture(scope="module")
def incidents(server: PrefectServer, faults: Faults) -> Iterator[Incidents]:
    """The automations, with minutes shortened to Prefect's least, 10 s, and the retries at Slack to tenths of one."""
    workspace = Listening()
    with Servers() as servers, get_client(sync_client=True) as client, pytest.MonkeyPatch.context() as patch:
        webhook = servers.serve(slack.create_app(workspace, faults)) + workspace.path
        patch.setenv("MGDW_SLACK_WEBHOOK_URL", webhook)
        patch.setenv("MGDW_ALERTS", "automations")
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        asyncio.run(apply(hurried(read_automations(), 10)))
        webhook_block(webhook, wait=0.1).save(BLOCK, overwrite=True, _sync=True)
        yield Incidents(client, workspace)


@flow(name="daily-refresh", on_failure=[tell_slack], on_crashed=[tell_slack])
def breaks_in_places() -> None:
    down = [Failure("zuora", table, "POST /batch-query/ got <no> answer & broke", WAIT) for table in ("a", "b")]
    raise StepFailed("daily-refresh", [*down, Failure("s3", "", "bucket gone", "Create it.")], ["fct_x", "Tableau Y"])


@flow(name="zuora", on_failure=[tell_slack])
def breaks() -> None:
    raise ConfigurationError("the key is missing", remedy="Set it.")


@flow(name="netsuite")
@time_limited
async def never_ends() -> None:
    await asyncio.Event().wait()


def test_a_failed_run_is_told_with_causes_remedies_what_was_skipped_and_a_link(
    incidents: Incidents, server: PrefectServer
) -> None:
    run = incidents.executes(breaks_in_places, "broken-otter")
    assert incidents.slack.one("broken-otter") == "\n".join(
        (
            ":red_circle: *daily-refresh / broken-otter* failed",
            ">zuora (a, b): POST /batch-query/ got &lt;no&gt; answer &amp; broke",
            f">  What to do: {WAIT}",
            ">s3: bucket gone",
            ">  What to do: Create it.",
            ">Skipped because of it: fct_x, Tableau Y",
            f"<{server.url}/runs/flow-run/{run.id}|Open the run>",
        )
    )
    incidents.everything_before_was_told("after-broken-otter")
    assert len(incidents.slack.about("broken-otter*")) == 2  # with the sentinel's own: the flow's hook kept silent


def test_an_error_of_our_own_is_told_with_its_name_and_remedy(incidents: Incidents) -> None:
    incidents.executes(breaks, "keyless-heron")
    text = incidents.slack.one("keyless-heron")
    assert ">ConfigurationError: the key is missing\n>  What to do: Set it." in text
    assert "Skipped because of it: what the run had not done by then" in text
    assert text.count("What to do") == 1


def test_a_run_that_no_worker_started_is_told_of_by_its_own_process(incidents: Incidents) -> None:
    breaks(return_state=True)
    assert ":red_circle: *zuora / " in incidents.slack.one("*zuora*\n>the key is missing")
    incidents.everything_before_was_told("after-laptop")
    assert len(incidents.slack.about("the key is missing")) == 2  # and the one of the test before


def test_a_run_that_took_too_long_is_told_as_timed_out(incidents: Incidents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_TIME_LIMIT", "1")
    assert incidents.state(incidents.executes(never_ends, "slow-snail")).name == "TimedOut"
    text = incidents.slack.one("slow-snail")
    assert "*netsuite / slow-snail* timed out\n>it had not ended after 0:00:01, its time limit, and was stopped" in text
    assert "Skipped because of it: what the run had not done by then" in text
    assert text.count("What to do") == 1


def test_a_run_that_died_without_a_word_is_told_as_the_worker_found_it(incidents: Incidents) -> None:
    incidents.ends("salesforce", "silent-mole", Crashed(message="No active or succeeded pods found for any job"))
    text = incidents.slack.one("silent-mole")
    assert "crashed\n>No active or succeeded pods found for any job\n>Skipped because of it" in text
    assert "What to do: see the end of the run's log. `OOMKilled`" in text


def test_a_burst_about_one_attempt_is_one_message(incidents: Incidents) -> None:
    run = incidents.ends("salesforce", "stuttering-jay", *(Failed(message=f"time {n}") for n in range(6)))
    incidents.becomes(run, Crashed(message="and by its process, too"), force=True)
    incidents.slack.one("stuttering-jay")
    incidents.everything_before_was_told("after-the-burst")
    assert len(incidents.slack.about("/ stuttering-jay*")) == 1


def test_a_run_that_is_retried_and_fails_again_is_told_again(incidents: Incidents) -> None:
    run = incidents.ends("salesforce", "stubborn-mule", Failed(message="first"))
    incidents.slack.one("stubborn-mule")
    incidents.becomes(run, AwaitingRetry(), Pending(), Running(), Failed(message="second"))
    incidents.slack.one(">second")
    assert len(incidents.slack.about("/ stubborn-mule*")) == 2


def test_children_are_silent_and_their_parent_tells_once(incidents: Incidents) -> None:
    parent = incidents.run("daily-refresh", "parent-goose")
    incidents.starts(parent)
    incidents.ends("zuora", "child-gosling", Failed(message="it broke"), queue="children")
    incidents.ends("s3-usage", "second-gosling", Crashed(message="gone"), queue="children")
    incidents.becomes(parent, Failed(message="zuora: it broke"))
    incidents.slack.one("parent-goose")
    incidents.everything_before_was_told("after-the-goslings")
    assert not incidents.slack.about("gosling*")
    assert len(incidents.slack.about("/ parent-goose*")) == 1


def test_a_parent_that_died_says_that_its_children_go_on(incidents: Incidents) -> None:
    incidents.ends("daily-refresh", "lost-goose", Crashed(message="gone"))
    assert "Steps that it had started go on by themselves" in incidents.slack.one("lost-goose")


def test_what_a_person_cancelled_is_not_told(incidents: Incidents) -> None:
    incidents.ends("salesforce", "unwanted-cat", Cancelling(), Cancelled(message="by a person"))
    incidents.everything_before_was_told("after-the-cat")
    assert not incidents.slack.about("unwanted-cat")


def test_a_deployment_that_runs_well_again_is_told_once(incidents: Incidents) -> None:
    for name in ("ill-1", "ill-2"):
        incidents.ends("tableau", name, Failed(message="server away"))
    incidents.slack.one("/ ill-2*")
    incidents.ends("dbt", "never-ill", Completed())
    incidents.ends("tableau", "well-1", Completed())
    text = incidents.slack.one("runs well again\n>well-1")
    assert text.startswith(":large_green_circle: *tableau / tableau* runs well again\n>well-1 completed.\n<http")
    incidents.ends("tableau", "well-2", Completed())
    incidents.everything_before_was_told("after-well-2")
    assert not incidents.slack.about("well-2 completed")
    assert not incidents.slack.about("never-ill")


def test_a_message_that_slack_refused_at_first_arrives(incidents: Incidents, faults: Faults) -> None:
    faults.arm("POST /services/", times=2, status=503)
    incidents.ends("salesforce", "patient-toad", Failed(message="x"))
    incidents.slack.one("patient-toad")
    incidents.everything_before_was_told("after-the-toad")
    assert len(incidents.slack.about("/ patient-toad*")) == 1


def test_a_message_that_slack_never_takes_is_in_the_server_s_log_and_the_webhook_is_not(
    incidents: Incidents, faults: Faults, server: PrefectServer
) -> None:
    faults.arm("POST /services/", times=6, status=403)
    incidents.ends("salesforce", "unheard-owl", Failed(message="x"))
    log = server.home / "server.log"
    assert eventually(lambda: "Action failed: 'Notification failed'" in log.read_text())
    incidents.everything_before_was_told("after-the-owl")
    assert not incidents.slack.about("unheard-owl*")
    assert incidents.slack.token not in log.read_text()


class TestWhatDoesNotHappen:
    """Incidents that nobody reports: something is awaited and does not come. All of them wait side by side."""

    @pytest.fixture(scope="class")
    @staticmethod
    def runs(incidents: Incidents) -> dict[str, Any]:
        # Before the others of its queue are late: a child that is taken up shows that a worker is there.
        stuck_child = incidents.run("netsuite", "stuck-calf", queue="children")
        incidents.becomes(stuck_child, Pending())
        runs = {
            "stuck child": stuck_child,
            "late": incidents.late("zuora", "late-sloth"),
            "taken up": incidents.late("zuora", "brisk-hare"),
            "late child": incidents.late("dbt", "late-foal", queue="children"),
            "another": incidents.late("dbt", "late-lamb", queue="children"),
            "stuck": incidents.run("netsuite", "stuck-cork"),
            "silent": incidents.run("salesforce", "silent-stone"),
            "done": incidents.run("salesforce", "done-deer"),
        }
        incidents.starts(runs["taken up"])
        incidents.becomes(runs["stuck"], Pending())
        for name in ("silent", "done"):
            incidents.starts(runs[name])
            incidents.beats(runs[name])
        incidents.becomes(runs["done"], Completed())
        for words in ("late-sloth", "Steps of a run", "stuck-cork", "silent-stone"):
            incidents.slack.one(words)
        assert eventually(lambda: incidents.state(runs["stuck child"]).is_crashed())
        incidents.everything_before_was_told("after-the-waiting")
        return runs

    def test_a_late_run_is_told_once(self, incidents: Incidents, runs: dict[str, Any]) -> None:
        (text,) = incidents.slack.about("late-sloth")
        assert text.startswith(":hourglass: *zuora / late-sloth* is late\n>It was due at ")
        assert "does `prefect-worker` run?" in text

    def test_a_late_run_that_was_taken_up_in_time_is_not(self, incidents: Incidents, runs: dict[str, Any]) -> None:
        assert not incidents.slack.about("brisk-hare")

    def test_late_children_are_told_together(self, incidents: Incidents, runs: dict[str, Any]) -> None:
        (text,) = incidents.slack.about("Steps of a run")
        assert "the run that started them waits" in text
        assert not incidents.slack.about("/ late-foal") + incidents.slack.about("/ late-lamb")

    def test_a_run_stuck_pending_crashes_and_is_told_once(self, incidents: Incidents, runs: dict[str, Any]) -> None:
        (text,) = incidents.slack.about("stuck-cork")
        assert "crashed\n>Pending for fifteen minutes: its pod never started." in text
        assert text.count("What to do") == 1
        assert incidents.state(runs["stuck"]).is_crashed()

    def test_a_stuck_child_crashes_for_its_parent_to_see(self, incidents: Incidents, runs: dict[str, Any]) -> None:
        assert incidents.state(runs["stuck child"]).is_crashed()
        assert not incidents.slack.about("stuck-calf")

    def test_a_run_whose_heart_stopped_crashes_and_is_told_once(
        self, incidents: Incidents, runs: dict[str, Any]
    ) -> None:
        (text,) = incidents.slack.about("silent-stone")
        assert "crashed\n>No heartbeat for nine minutes" in text
        assert incidents.state(runs["silent"]).is_crashed()

    def test_a_run_that_ended_after_its_last_heartbeat_is_left_alone(
        self, incidents: Incidents, runs: dict[str, Any]
    ) -> None:
        assert incidents.state(runs["done"]).is_completed()
        assert not incidents.slack.about("/ done-deer*")
