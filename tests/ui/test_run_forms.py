"""The run form of each deployment: what a person sees who has never read the code. Its source is the JSON schema."""

from __future__ import annotations

import importlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ParameterTypeError, PrefectHTTPStatusError
from prefect.utilities.schema_tools.validation import validate

from connectors.contract import load_contract
from connectors.errors import ConfigurationError
from flows.backfill import backfill
from flows.salesforce import salesforce
from sandbox.prefect_server import PrefectServer

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS: dict[str, dict[str, Any]] = {
    deployment["name"]: deployment for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
}
SOURCES = {"salesforce": "salesforce", "netsuite": "netsuite", "zuora": "zuora", "s3-usage": "s3"}


def flow_of(name: str) -> Flow[..., Any]:
    """The flow of a deployment."""
    module, _, function = DEPLOYMENTS[name]["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), function)


def form(name: str) -> dict[str, Any]:
    """The schema that the server keeps of a deployment's parameters."""
    return flow_of(name).parameters.model_dump_for_openapi()


def untouched(name: str) -> dict[str, Any]:
    """What the form sends when nothing is filled in but what must be."""
    fields: dict[str, dict[str, Any]] = form(name)["properties"]
    return {field: shape["default"] for field, shape in fields.items() if "default" in shape}


def problems(parameters: dict[str, Any], name: str) -> list[str]:
    """What the server's own check says, but for fields that a person has to fill in."""
    return [error.message for error in validate(parameters, form(name), raise_on_error=False, ignore_required=True)]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_field_has_words_a_type_and_a_default_or_must_be_given(name: str) -> None:
    schema = form(name)
    for field, shape in schema.get("properties", {}).items():
        words = shape.get("description", "")
        assert words.endswith("."), f"{field} has no whole sentence in Args"
        assert words[0].isupper() or words.startswith("dbt"), f"{field}: a sentence begins with a capital"
        assert "`" not in words, f"{field}: the form shows backticks as they are"
        assert "type" in shape or "anyOf" in shape, f"{field} could be anything"
        assert ("default" in shape) != (field in schema.get("required", [])), field


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_switch_between_something_and_nothing_names_both(name: str) -> None:
    for field, shape in form(name).get("properties", {}).items():
        for side in shape.get("anyOf", ()):
            assert "title" in side, f"{field}: the form would say None"
        assert shape.get("default", ...) is not None or "anyOf" in shape, f"{field}: the server refuses null"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_form_that_nobody_touches_is_taken_by_the_server(name: str) -> None:
    assert problems(untouched(name), name) == []


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_what_the_file_and_its_schedules_give_fits_the_form(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    given = [deployment.get("parameters", {}), *(s.get("parameters", {}) for s in deployment.get("schedules", ()))]
    for parameters in given:
        assert set(parameters) <= set(form(name).get("properties", ()))
        assert problems({**untouched(name), **parameters}, name) == []


@pytest.mark.parametrize(("name", "source"), SOURCES.items())
def test_the_tables_to_pick_from_are_those_of_the_contract(name: str, source: str) -> None:
    tables = [table.name for table in load_contract().of(source)]
    assert form(name)["properties"]["tables"]["items"]["enum"] == tables


def test_repair_offers_every_table_and_days_from_a_calendar() -> None:
    tables = [table.name for table in load_contract().tables]
    fields = form("backfill")["properties"]
    assert fields["table"]["enum"] == tables
    assert fields["start"] | {"format": "date", "type": "string"} == fields["start"]
    assert [side["title"] for side in fields["end"]["anyOf"]] == ["a day", "now"]
    assert (fields["step_days"]["minimum"], fields["step_days"]["default"]) == (1, 31)
    assert form("replay")["properties"]["tables"]["items"]["enum"] == tables


def test_a_contract_that_cannot_be_read_leaves_a_form_without_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flows.parameters import choice, table_names

    monkeypatch.setenv("MGDW_DBT_PROJECT_DIR", str(tmp_path))
    assert table_names("salesforce") == ()
    assert "enum" not in choice(table_names("salesforce")).json_schema["items"]


async def test_in_process_no_tables_at_all_means_all_and_a_wrong_step_is_told_in_words() -> None:
    assert salesforce.validate_parameters({"tables": None, "full": False})["tables"] is None
    assert salesforce.validate_parameters({"tables": ["sfdc_user"]})["tables"] == ["sfdc_user"]
    with pytest.raises(ConfigurationError, match="step_days is 0"):
        await backfill.fn("sfdc_account", date(2026, 1, 1), step_days=0)


def test_a_day_that_is_none_ends_the_run_with_the_field_s_name() -> None:
    with pytest.raises(ParameterTypeError, match="(?s)start.*valid date"):
        backfill.validate_parameters({"table": "sfdc_account", "start": "soon"})


async def test_the_server_takes_a_filled_form_and_refuses_a_table_that_is_not_there(
    prefect_server: PrefectServer,
) -> None:
    async with get_client() as client:
        made = await client.create_deployment(
            flow_id=await client.create_flow(backfill),
            name="backfill-form",
            parameter_openapi_schema=form("backfill"),
            enforce_parameter_schema=True,
        )
        filled = {**untouched("backfill"), "table": "sfdc_account", "start": "2026-01-01", "end": "2026-02-01"}
        run = await client.create_flow_run_from_deployment(made, parameters=filled)
        assert run.parameters["start"] == "2026-01-01"
        for wrong in ({"table": "sfdc_acount"}, {"step_days": 0}, {"end": 7}, {"label": None}):
            with pytest.raises(PrefectHTTPStatusError, match=f"Validation failed for field '{next(iter(wrong))}'"):
                await client.create_flow_run_from_deployment(made, parameters=filled | wrong)
        await client.delete_deployment(made)
