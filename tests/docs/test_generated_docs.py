"""Pages that are made from the code say what the code says now."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate


def test_the_settings_page_is_current() -> None:
    assert generate.SETTINGS_PAGE.read_text() == generate.settings_page(), "run `make docs`"


def test_the_contract_page_lists_the_tables_as_they_are() -> None:
    page = generate.CONTRACT_PAGE.read_text()
    assert generate.contract_page(page) == page, "run `make docs`"


def test_every_setting_of_every_system_is_on_the_page() -> None:
    page = generate.settings_page()
    named = {model.__name__ for model in generate.settings_models()}
    assert named == {
        "FlowSettings", "WarehouseSettings", "SalesforceSettings", "NetSuiteSettings", "ZuoraSettings", "S3Settings",
        "TableauSettings", "GoogleSettings",
    }  # fmt: skip
    for model in generate.settings_models():
        for name, field in model.model_fields.items():
            assert f"| `{model.variable(name)}` |" in page
            assert field.description, f"{model.variable(name)} has no description"


def test_a_stale_page_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = generate.CONTRACT_PAGE.read_text()
    stale = page.replace("| `Account` | `id` | `system_modstamp` | ", "| `Account` | `id` | `system_modstamp` | 9", 1)
    assert stale != page
    assert generate.contract_page(stale) == page
    monkeypatch.setattr(generate, "SETTINGS_PAGE", tmp_path / "settings.md")
    monkeypatch.setattr(generate, "CONTRACT_PAGE", tmp_path / "contract.md")
    generate.CONTRACT_PAGE.write_text(stale)
    generate.main()
    assert generate.CONTRACT_PAGE.read_text() == page
    assert generate.SETTINGS_PAGE.read_text() == generate.settings_page()
