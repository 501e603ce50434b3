"""Settings, contract and secrets: what can be wrong before anything outside is asked."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Iterable, Sequence

from connectors.errors import ConfigurationError, SettingMissing
from connectors.google import GoogleSettings
from connectors.netsuite.settings import NetSuiteSettings
from connectors.s3.settings import S3Settings
from connectors.salesforce.settings import NextSalesforceSettings, SalesforceSettings
from connectors.secrets import SCHEME, SecretResolver, from_environment, named_in, variable_of
from connectors.settings import SystemSettings
from connectors.tableau.settings import TableauSettings
from connectors.warehouse.settings import WarehouseSettings
from connectors.zuora.settings import ZuoraSettings
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.secrets import resolver
from flows.settings import FlowSettings

_ELSEWHERE = {"MGDW_HOME", "MGDW_IMAGE", "MGDW_RUN_ID"}
"""Variables of ours that no settings class reads: prefect.yaml's, and dbt's job label."""


def systems() -> list[type[SystemSettings]]:
    """The settings classes in use here."""
    salesforce: type[SystemSettings] = SalesforceSettings
    if os.environ.get("MGDW_SALESFORCE_INSTANCE") == "next":
        salesforce = NextSalesforceSettings
    return [
        FlowSettings, WarehouseSettings, GoogleSettings, salesforce, NetSuiteSettings, ZuoraSettings, S3Settings,
        TableauSettings,
    ]  # fmt: skip


def settings_check() -> Check:
    """All problems of all settings, one line a system."""

    async def look() -> Sequence[Diagnosis]:
        found: list[Diagnosis] = []
        for system in systems():
            try:
                settings = system.from_environment()
                if isinstance(settings, FlowSettings):
                    found += _fitting(settings)
            except ConfigurationError as error:
                found.append(check.failed(error, f"{system.model_config.get('env_prefix')}…"))
        found += misspelt()
        if any(each.status is Status.FAILED for each in found):
            return found
        count = sum(name.startswith("MGDW_") for name in os.environ)
        return [check.ok(f"{len(systems())} groups of settings are right, {count} variables are set"), *found]

    check = Check("settings", "environment", look)
    return check


def _fitting(settings: FlowSettings) -> Iterable[Diagnosis]:
    """Settings that are right each and wrong together. Raises ConfigurationError."""
    stg = WarehouseSettings.from_environment().stg_dataset
    if settings.target == "dev" and stg != "DEV":
        yield Diagnosis(
            "settings", "MGDW_STG_DATASET", Status.FAILED,
            f"dbt's target dev reads STG tables from DEV, and sources are loaded into {stg}",
            "Set MGDW_STG_DATASET=DEV, or MGDW_DBT_TARGET=prod.",
        )  # fmt: skip


def misspelt() -> list[Diagnosis]:
    """Variables with our prefix that nothing reads."""
    every: list[type[SystemSettings]] = [*systems(), SalesforceSettings, NextSalesforceSettings]
    known = {system.variable(field) for system in every for field in system.model_fields} | _ELSEWHERE
    found: list[Diagnosis] = []
    for name in sorted(os.environ):
        if not name.startswith("MGDW_") or name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        remedy = (
            f"Did you mean {close[0]}?" if close else "Correct its name, or take it away; docs/settings.md lists all."
        )
        found.append(Diagnosis("settings", name, Status.WARNING, "nothing reads this variable", remedy))
    return found


def contract_check() -> Check:
    """The contract parses."""

    async def look() -> Sequence[Diagnosis]:
        tables = FlowSettings.from_environment().contract().tables
        return [check.ok(f"{len(tables)} tables, {sum(len(table.columns) for table in tables)} columns")]

    check = Check("contract", "dbt/models/staging", look)
    return check


def secrets_check() -> Check:
    """Every secret that a setting names can be read, and holds something."""

    async def look() -> Sequence[Diagnosis]:
        settings = FlowSettings.from_environment()
        names = sorted({name for system in readable_settings() for name in named_in(system).values()})
        if not names:
            return [Diagnosis("secrets", settings.secrets, Status.NOT_USED, "no setting names a secret")]
        resolve = from_environment if settings.secrets == "environment" else await in_thread(lambda: resolver(settings))
        return await asyncio.gather(*(one(name, resolve, settings) for name in names))

    async def one(name: str, resolve: SecretResolver, settings: FlowSettings) -> Diagnosis:
        try:
            where = f"Secret Manager {name}" if settings.secrets == "gcp" else f"environment {variable_of(name)}"
            if not (await in_thread(lambda: resolve(name))).strip():
                raise SettingMissing(f"secret {name!r} is empty", remedy="Store the secret's value.")
        except Exception as error:  # noqa: BLE001 - the other secrets are looked at as well
            return check.failed(error, SCHEME + name)
        return check.ok("readable", where)

    check = Check("secrets", "secret://…", look)
    return check


def readable_settings() -> Iterable[SystemSettings]:
    """Settings without those that are wrong: they are told elsewhere."""
    for system in systems():
        try:
            yield system.from_environment()
        except ConfigurationError:
            continue
