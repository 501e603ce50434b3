"""The sources: log in, see every object of the contract, and read the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from connectors.contract import Table
from connectors.drift import SchemaDrift
from connectors.errors import SourceUnavailable
from connectors.http import RetryPolicy
from connectors.netsuite.settings import NetSuiteSettings
from connectors.s3.clock import s3_clock
from connectors.s3.settings import S3Settings
from connectors.salesforce.settings import NextSalesforceSettings, SalesforceSettings
from connectors.settings import is_loopback
from connectors.source import Source
from connectors.zuora.settings import ZuoraSettings
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.settings import FlowSettings
from flows.sources import SourceName, build_source

_IN_HASTE = RetryPolicy(attempts=2, first_wait=0.2, longest_wait=1.0, patience=2.0)
_NOTABLE, _TOO_MUCH = timedelta(seconds=60), timedelta(minutes=3)
"""A signed login (JWT, OAuth 1.0a, AWS) is refused when the two clocks are 3 to 15 minutes apart."""


@dataclass(frozen=True)
class Reading:
    """A source's clock and ours at the same moment (UTC). `nearby`: it runs on this machine, by its own calendar."""

    theirs: datetime
    ours: datetime
    nearby: bool

    @property
    def ahead(self) -> timedelta:
        """How far theirs is ahead of ours."""
        return self.theirs - self.ours


def source_check(name: SourceName, clocks: dict[str, Reading]) -> Check:
    """Login, objects and fields of one source; its clock goes into `clocks`."""

    async def look() -> Sequence[Diagnosis]:
        tables = FlowSettings.from_environment().contract().of(name)
        address = _address(name)
        async with await in_thread(lambda: build_source(name, retry=_IN_HASTE)) as source:
            reading = await _clock(name, source, tables[0])
            if reading is not None:
                clocks[name] = Reading(reading, datetime.now(UTC), is_loopback(address))
            found = await asyncio.gather(*(_seen(source, table) for table in tables))
            origin = f" as {source.origin}" if source.origin else ""
        hidden = [diagnosis for diagnosis in found if diagnosis is not None]
        if len(hidden) == len(tables):
            return hidden
        ok = f"logged in{origin}; {len(tables) - len(hidden)} of {len(tables)} tables and all their fields are visible"
        return [check.ok(ok, address), *hidden]

    async def _seen(source: Source, table: Table) -> Diagnosis | None:
        """What is wrong with a table, if anything."""
        try:
            drift = await source.drift(table)
        except Exception as error:  # noqa: BLE001 - the other tables are looked at as well
            return check.failed(error, table.name)
        return _missing(name, table, drift)

    check = Check(name, name, look, seconds=90)
    return check


def _missing(name: str, table: Table, drift: SchemaDrift) -> Diagnosis | None:
    if not drift.missing:
        return None
    return Diagnosis(
        name, table.name, Status.FAILED, f"{table.object} has no {', '.join(drift.missing)}, or hides it",
        "Grant the integration user read access to the field, or correct the column in the contract.",
    )  # fmt: skip


def _address(name: SourceName) -> str:
    match name:
        case "salesforce":
            following = FlowSettings.from_environment().salesforce_instance == "next"
            return (NextSalesforceSettings if following else SalesforceSettings).from_environment().login_url
        case "netsuite":
            return NetSuiteSettings.from_environment().base_url or name
        case "zuora":
            return ZuoraSettings.from_environment().base_url
        case "s3":
            settings = S3Settings.from_environment()
            return settings.endpoint_url or f"s3://{settings.bucket}"


async def _clock(name: SourceName, source: Source, table: Table) -> datetime | None:
    """The source's clock; None where it does not tell it."""
    lags: dict[str, Callable[[], Awaitable[datetime]]] = {
        "netsuite": lambda: _horizon(source, table, NetSuiteSettings.from_environment().lag_seconds),
        "zuora": lambda: _horizon(source, table, ZuoraSettings.from_environment().lag_seconds),
        "s3": lambda: s3_clock(S3Settings.from_environment()),
    }
    return await lags[name]() if name in lags else await _date_of(_address(name))


async def _horizon(source: Source, table: Table, lag: float) -> datetime:
    return await source.horizon(table) + timedelta(seconds=lag)


async def _date_of(address: str) -> datetime | None:
    """The `Date` of any answer (RFC 9110, section 6.6.1)."""
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=not is_loopback(address)) as client:
            return parsedate_to_datetime((await client.head(f"{address}/services/data/")).headers["date"])
    except httpx.HTTPError as error:
        raise SourceUnavailable(f"{address} gave no answer ({type(error).__name__})") from error
    except (KeyError, ValueError):
        return None


def clock_diagnoses(clocks: dict[str, Reading]) -> list[Diagnosis]:
    """One line per source: how far its clock is from ours.

    Sources on this machine are a sandbox, whose business has a calendar of its own: they are compared with each other.
    """
    nearby = [reading.ahead for reading in clocks.values() if reading.nearby]
    usual = sorted(nearby)[len(nearby) // 2] if nearby else timedelta()
    return [
        _clock_diagnosis(name, reading, usual if reading.nearby else timedelta()) for name, reading in clocks.items()
    ]


def _clock_diagnosis(name: str, reading: Reading, usual: timedelta) -> Diagnosis:
    skew = reading.ahead - usual
    whose = "the sandbox's other clocks" if reading.nearby else "this machine's"
    found = f"its clock is {abs(skew).total_seconds():,.0f} s {'ahead of' if skew > timedelta() else 'behind'} {whose}"
    if abs(skew) < _NOTABLE:
        return Diagnosis("clock", name, Status.OK, f"within {_NOTABLE.total_seconds():.0f} s of {whose}")
    remedy = "Set this machine's clock by NTP (`timedatectl`): signed logins are refused when clocks are minutes apart."
    if abs(skew) < _TOO_MUCH:
        return Diagnosis("clock", name, Status.WARNING, found, remedy)
    return Diagnosis("clock", name, Status.FAILED, found, remedy)
