"""The refresh of published data sources, against a site on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from connectors.errors import CredentialsRefused, SourceUnavailable
from connectors.tableau.server import signed_in, throttle_pause
from connectors.tableau.settings import TableauSettings
from sandbox.faults import FaultInjector, Faults
from sandbox.server import Servers
from sandbox.tableau import TableauSiteModel, create_app
from sandbox.tableau.site import CANCELLED

NAMES = ("Executive", "Finance", "Sales")


class Site:
    """A running site and the settings that reach it."""

    def __init__(self, servers: Servers) -> None:
        self.model = TableauSiteModel(NAMES)
        self.faults = Faults()
        self.url = servers.serve(FaultInjector(create_app(self.model), self.faults))

    def settings(self, **changes: object) -> TableauSettings:
        values: dict[str, object] = {
            "server_url": self.url, "site": self.model.site_url, "token_name": self.model.token_name,
            "token_secret": SecretStr(self.model.token_secret), "poll_seconds": 0.01, "throttle_seconds": 0.01,
        }  # fmt: skip
        return TableauSettings.model_validate(values | changes)


@pytest.fixture
def site() -> Iterator[Site]:
    with Servers() as servers:
        yield Site(servers)


def test_every_data_source_is_refreshed_and_waited_for(site: Site) -> None:
    with signed_in(site.settings()) as session:
        results = session.refresh(NAMES)
    assert [r.state for r in results] == ["refreshed"] * 3
    assert {d.name: d.refreshes for d in site.model.data_sources.values()} == dict.fromkeys(NAMES, 1)


def test_a_failed_refresh_carries_the_servers_notes_and_the_others_go_on(site: Site) -> None:
    site.model.fail_refreshes("Finance", "The credentials embedded in this connection have expired.")
    with signed_in(site.settings()) as session:
        results = {r.name: r for r in session.refresh(NAMES)}
    assert results["Finance"].state == "failed"
    assert "credentials embedded" in results["Finance"].note
    assert results["Executive"].state == results["Sales"].state == "refreshed"


def test_a_cancelled_refresh_is_no_success(site: Site) -> None:
    site.model.fail_refreshes("Sales", "Cancelled by an administrator", finish=CANCELLED)
    with signed_in(site.settings()) as session:
        assert [r.state for r in session.refresh(["Sales"])] == ["cancelled"]


def test_a_data_source_that_was_never_published_is_named(site: Site) -> None:
    with signed_in(site.settings()) as session:
        results = session.refresh(["Marketing", "Sales"])
    assert [(r.name, r.state) for r in results] == [("Marketing", "missing"), ("Sales", "refreshed")]


def test_a_refresh_that_is_queued_already_is_waited_for(site: Site) -> None:
    executive = next(d for d in site.model.data_sources.values() if d.name == "Executive")
    site.model.start_refresh(executive.id)
    with signed_in(site.settings()) as session:
        assert [r.state for r in session.refresh(["Executive"])] == ["refreshed"]
    assert executive.refreshes == 1


def test_a_refresh_past_the_deadline_is_a_timeout(site: Site) -> None:
    site.model.looks = 10_000
    with signed_in(site.settings(deadline_seconds=0.2)) as session:
        assert [r.state for r in session.refresh(["Executive"])] == ["timeout"]


def test_a_throttled_site_is_asked_again_later(site: Site) -> None:
    body = (
        "<?xml version='1.0'?><tsResponse xmlns='http://tableau.com/api'><error code='429000'>"
        "<summary>Too Many Requests</summary><detail>Too many refreshes.</detail></error></tsResponse>"
    )
    site.faults.arm(r"POST .*/refresh", status=429, body=body, headers={"content-type": "application/xml"})
    with signed_in(site.settings()) as session:
        assert [r.state for r in session.refresh(["Executive"])] == ["refreshed"]


def test_a_wrong_secret_is_refused_in_words_that_do_not_show_it(site: Site) -> None:
    with (
        pytest.raises(CredentialsRefused) as caught,
        signed_in(site.settings(token_secret=SecretStr("planted-secret"))),
    ):
        pass
    assert "mg-dw" in str(caught.value) and "planted-secret" not in str(caught.value)


def test_a_server_that_is_down_is_named() -> None:
    settings = TableauSettings(server_url="http://127.0.0.1:9", token_secret=SecretStr("x"))
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9"), signed_in(settings):
        pass


def test_a_session_that_dies_in_use_is_explained(site: Site) -> None:
    with pytest.raises(CredentialsRefused, match="session ended"), signed_in(site.settings()) as session:
        site.model.expire_sessions()
        session.refresh(["Executive"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("retry after 29 minutes", 1740.0), ("Please retry after 30 seconds.", 30.0), ("Too many refreshes.", None)],
)
def test_the_pause_is_read_from_the_servers_text(text: str, seconds: float | None) -> None:
    assert throttle_pause(text) == seconds
