"""deployments/automations: read strictly, and put on the server without touching what is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger

import flows.dbt
import flows.load
from connectors.errors import ConfigurationError, SettingMissing
from flows.automation_file import FOLDER, Automation, AutomationFileError, Notification, read_automations
from flows.automations import BLOCK, Applied, apply, compared, webhook_block
from flows.children import QUEUE
from flows.failures import Failure, StepFailed
from sandbox.prefect_server import PrefectServer

GOOD = (FOLDER / "late.yaml").read_text()


def _problems(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(dedent(text))
    with pytest.raises(AutomationFileError) as caught:
        read_automations(folder)
    return list(caught.value.problems)


def test_the_files_are_in_order() -> None:
    assert len(read_automations()) == 6


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("posture: Proactive", "postur: Reactive", "trigger.postur: Prefect would pass over this key. Did you mean"),
        ("flow-run.Late]", "flow-run.Lat]", "trigger.after: no flow run has the event prefect.flow-run.Lat. Did"),
        ("within: 600", "within: ten", "trigger.within: Input should be a valid number, not 'ten'."),
        ("within: 600", "within: 5", "trigger: Prefect waits 10 seconds at least for what does not happen, not 5.0."),
        ("[prefect.resource.id]", "[prefect.resource.name]", "trigger.for_each.0: Input should be"),
        ("{%- endif %}", "", "actions.0.body: line 6 of the template: Unexpected end of template."),
        ("type: send-notification", "type: call-webhook", "actions.0: Input tag 'call-webhook'"),
        ('name: "mg-dw: a run is late"', "nam: x", "name: it is missing; add it."),
        ("trigger:", "trigger: [", "not readable as YAML: "),
    ],
)  # fmt: skip
def test_a_slip_in_a_file_is_told_with_file_field_and_remedy(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    assert was in GOOD
    problems = _problems(tmp_path, one=GOOD.replace(was, becomes, 1))
    assert any(problem.startswith(f"one.yaml: {told}") for problem in problems), problems


def test_all_slips_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    one = GOOD.replace("actions:", "action:")
    problems = _problems(tmp_path, one=one, two="- a list", three=GOOD)
    assert {problem.partition(":")[0] for problem in problems} == {"one.yaml", "two.yaml"}


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    assert _problems(tmp_path, one=GOOD, two=GOOD) == [
        "two.yaml: name: another file has 'mg-dw: a run is late'; give each its own."
    ]


def test_a_folder_without_files_is_refused_rather_than_everything_removed(tmp_path: Path) -> None:
    assert "there is no *.yaml" in _problems(tmp_path)[0]


def test_every_failure_that_tells_its_own_story_is_known_to_the_message() -> None:
    (body,) = [
        action.body
        for one in read_automations()
        for action in one.actions
        if isinstance(action, Notification) and "told_by_step" in action.body
    ]
    assert flows.dbt and flows.load  # they have subclasses
    for kind in (StepFailed, *StepFailed.__subclasses__()):
        assert f"'{kind.__name__}'" in body, kind


def test_the_story_of_a_failed_step_is_all_of_it_in_plain_lines() -> None:
    tables = [Failure("zuora", f"t{n}", "no answer\nat all", "Wait.") for n in range(14)]
    error = StepFailed("daily-refresh", [*tables, Failure("s3", "", "bucket gone", "Make it.")], ["fct_x"])
    assert str(error).splitlines() == [
        "daily-refresh failed",
        "zuora (t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11 and 2 more): no answer",
        "  What to do: Wait.",
        "s3: bucket gone",
        "  What to do: Make it.",
        "Skipped because of it: fct_x",
    ]


def test_something_that_is_no_address_is_no_webhook() -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        webhook_block("T0/B0/abc")


@pytest.fixture
def server(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """A server without automations of ours, and a webhook to tell."""
    monkeypatch.setenv("MGDW_SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/abc")
    with get_client(sync_client=True) as client:
        _clear(client)
        yield client
        _clear(client)


def _clear(client: SyncPrefectClient) -> None:
    for one in client.read_automations():
        client.delete_automation(one.id)


def _what(changes: list[Applied]) -> dict[str, str]:
    return {one.name: one.what for one in changes if one.kind == "automation"}


def _applied(automations: list[Automation] | None = None) -> dict[str, str]:
    return _what(asyncio.run(apply(automations)))


def test_applied_twice_the_second_time_changes_nothing(server: SyncPrefectClient) -> None:
    assert set(_what(asyncio.run(compared())).values()) == {"made"}
    assert set(_applied().values()) == {"made"}
    before = {one.id: one for one in server.read_automations()}
    again = asyncio.run(apply())
    assert {one.what for one in again} == {"unchanged"}
    assert {one.id: one for one in server.read_automations()} == before
    assert set(_what(asyncio.run(compared())).values()) == {"unchanged"}


def test_what_a_file_says_now_replaces_what_it_said(server: SyncPrefectClient) -> None:
    files = read_automations()
    _applied()
    longer = files[0].trigger.model_copy(update={"within": 1200.0})
    changed = [files[0].model_copy(update={"trigger": longer}), *files[1:]]
    assert _applied(changed)[files[0].name] == "changed"
    assert set(_applied(changed).values()) == {"unchanged"}


def test_ours_that_is_in_no_file_any_more_is_removed_and_others_are_never_touched(server: SyncPrefectClient) -> None:
    theirs = AutomationCore(name="mg-dw: a run is late", trigger=EventTrigger(expect={"x"}), actions=[DoNothing()])
    server.create_automation(theirs)
    files = read_automations()
    _applied()
    assert _applied(files[1:])[files[0].name] == "removed"
    names = [one.name for one in server.read_automations()]
    assert names.count(theirs.name) == 2
    assert files[0].name not in names


def test_one_that_somebody_paused_stays_paused(server: SyncPrefectClient) -> None:
    _applied()
    ours = server.read_automations()[0]
    server.pause_automation(ours.id)
    changes = {one.name: one for one in asyncio.run(apply())}
    assert (changes[ours.name].what, changes[ours.name].note) == ("unchanged", "paused by hand")
    assert not next(one for one in server.read_automations() if one.id == ours.id).enabled


def test_of_two_of_one_name_one_goes(server: SyncPrefectClient) -> None:
    _applied()
    ours = server.read_automations()[0]
    server.create_automation(AutomationCore(**ours.model_dump(exclude={"id", "owner_resource"})))
    changes = [one.what for one in asyncio.run(apply()) if one.name == ours.name]
    assert sorted(changes) == ["removed", "unchanged"]
    assert [one.name for one in server.read_automations()].count(ours.name) == 1


def test_a_new_webhook_is_written_into_the_block(server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(apply())
    monkeypatch.setenv("MGDW_SLACK_WEBHOOK_URL", "secret://slack-webhook-url")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/another")
    block = next(one for one in asyncio.run(apply()) if one.kind == "block")
    assert block == Applied("block", f"slack-webhook/{BLOCK}", "changed")


def test_without_a_webhook_nothing_is_changed(server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MGDW_SLACK_WEBHOOK_URL")
    with pytest.raises(SettingMissing, match="would tell nobody"):
        asyncio.run(apply())
    assert server.read_automations() == []


def test_children_are_known_by_the_queue_that_their_parent_puts_them_in() -> None:
    named = [one.trigger.match_related.get("prefect.resource.name") for one in read_automations()]
    assert sorted(filter(None, named)) == ["!children"] * 3 + ["children"]
    assert QUEUE == "children"
