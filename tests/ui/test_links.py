"""Where the artifacts lead: consoles, data sources, and the runbook on what failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import CredentialsRefused, SourceUnavailable
from flows.links import daily_links, failure_page, load_links, section
from flows.settings import FlowSettings

CONSOLE = "https://console.cloud.google.com"


def test_in_google_cloud_each_table_links_to_its_rows_and_its_raw_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_WAREHOUSE", "bigquery")
    monkeypatch.setenv("MGDW_LAKE", "gs://lake-of-ours/deep")
    monkeypatch.setenv("MGDW_GCP_PROJECT", "project-of-ours")
    page = load_links("zuora", ["zuora_invoice"])
    assert f"({CONSOLE}/bigquery?p=project-of-ours&d=STG&t=zuora_invoice&page=table)" in page
    assert f"({CONSOLE}/storage/browser/lake-of-ours/deep/raw/zuora/zuora_invoice)" in page


def test_on_a_laptop_the_paths_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_LAKE", "/data/lake")
    page = load_links("zuora", ["zuora_invoice", "zuora_payment"])
    assert page.count("/data/lake/raw/zuora") == 1
    assert "http" not in page


def test_the_summary_links_to_what_was_refreshed_and_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_TABLEAU_SERVER_URL", "https://tableau.example/")
    monkeypatch.setenv("MGDW_TABLEAU_SITE", "mg")
    monkeypatch.setenv("MGDW_DBT_DOCS_URL", "https://docs.example/dbt")
    links = daily_links(FlowSettings.from_environment(), ["Customer Success"])
    assert links[0] == (
        "[Customer Success in Tableau](https://tableau.example/#/site/mg/datasources?search=Customer+Success)"
    )
    assert "(https://docs.example/dbt)" in links[1]
    monkeypatch.setenv("MGDW_TABLEAU_SITE", "")
    assert "/#/datasources?" in daily_links(FlowSettings.from_environment(), ["Executive"])[0]


def test_failures_of_one_kind_are_told_once_with_the_runbook_s_words() -> None:
    down, refused = SourceUnavailable("zuora: no answer"), CredentialsRefused("zuora refused the client")
    page = failure_page({"zuora_account": down, "zuora_invoice": down, "zuora_payment": refused})
    assert page.count("zuora: no answer") == 1
    assert "### SourceUnavailable: zuora_account, zuora_invoice" in page
    assert "**First look**" in page
    assert "status.salesforce.com" in page
    assert page.index("SourceUnavailable") < page.index("CredentialsRefused")


def test_a_bug_is_told_as_one_and_a_missing_runbook_is_named(tmp_path: Path) -> None:
    assert "report it with the run's log" in failure_page({"zuora_account": KeyError("id")})
    assert "docs/runbooks/failures.md" in section("SourceUnavailable", tmp_path / "failures.md")
