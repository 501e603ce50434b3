"""Before the cutover: does the next Salesforce instance have what the contract asks of the present one?

Both instances are described and counted; nothing is written and no bulk job is made. A problem that `blocks` would
fail the first run or load wrong values; the others want a look.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from connectors.contract import Table
from connectors.errors import MgdwError, UnknownObject
from connectors.http import CallBudget, HttpSession, RetryPolicy
from connectors.salesforce.auth import SalesforceAuth
from connectors.salesforce.classify import classify
from connectors.salesforce.describe import Describer, Field, ObjectSchema
from connectors.salesforce.quota import api_usage
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.types import fits

_SAMPLE = 50
"""Ids of the present instance that are looked for in the next one."""


@dataclass(frozen=True)
class Problem:
    """One difference. `field` is empty where it concerns the whole object, `table` where it concerns the instance."""

    table: str
    field: str
    problem: str
    remedy: str
    blocks: bool = False


@dataclass(frozen=True)
class Count:
    """Living records of one table on both sides; None where an instance does not tell."""

    table: str
    present: int | None = None
    following: int | None = None


@dataclass(frozen=True)
class PreflightReport:
    """What was found. `present` and `following` are the instances' addresses."""

    present: str
    following: str
    problems: tuple[Problem, ...]
    counts: tuple[Count, ...]

    @property
    def is_ready(self) -> bool:
        """True when nothing blocks the cutover."""
        return not any(problem.blocks for problem in self.problems)

    def markdown(self) -> str:
        """The report for people: verdict, problems with those that block first, counts."""
        blocking = sum(problem.blocks for problem in self.problems)
        told = f"{blocking} problem blocks" if blocking == 1 else f"{blocking} problems block"
        verdict = f"{'Nothing blocks' if self.is_ready else f'**{told}**'} the cutover; "
        verdict += f"{len(self.problems) - blocking} more to look at."
        lines = [f"# Salesforce: from {self.present} to {self.following}", "", verdict, ""]
        if self.problems:
            lines += ["| blocks | table | field | problem | what to do |", "|---|---|---|---|---|"]
            ranked = sorted(self.problems, key=lambda p: not p.blocks)
            lines += [_row("yes" if p.blocks else "", p.table, p.field, p.problem, p.remedy) for p in ranked]
            lines.append("")
        lines += ["| table | records now | records next |", "|---|---:|---:|"]
        lines += [_row(c.table, _number(c.present), _number(c.following)) for c in self.counts]
        return "\n".join(lines) + "\n"


async def compare(
    present: SalesforceSettings,
    following: SalesforceSettings,
    tables: Sequence[Table],
    *,
    retry: RetryPolicy | None = None,
) -> PreflightReport:
    """Compare two instances with the contract and with each other.

    Args:
        present: with secrets resolved; what MGDW_SALESFORCE_… names today.
        following: what it will name after the cutover.
        tables: of the contract.

    Raises:
        CredentialsRefused: and any other reason for which an instance cannot be asked at all; the text says which.
    """
    async with AsyncExitStack() as stack:
        now = await stack.enter_async_context(_Org("present", present, retry))
        then = await stack.enter_async_context(_Org("next", following, retry))
        problems = await _instances(now, then)
        turn = asyncio.Semaphore(min(present.tables_at_once, following.tables_at_once))

        async def one(table: Table) -> tuple[list[Problem], Count]:
            async with turn:
                try:
                    return await _table(table, now, then)
                except MgdwError as error:
                    return [Problem(table.name, "", error.cause, error.remedy, blocks=True)], Count(table.name)

        comparable = () if any(problem.blocks for problem in problems) else tables
        found = await asyncio.gather(*(one(table) for table in comparable))
        return PreflightReport(
            await now.session.base_url(),
            await then.session.base_url(),
            (*problems, *(problem for problems, _ in found for problem in problems)),
            tuple(count for _, count in found),
        )


def differences(table: Table, present: ObjectSchema | None, following: ObjectSchema) -> list[Problem]:
    """What the contract's columns and the two descriptions say against the cutover. Pure."""
    problems: list[Problem] = []
    vital = {table.column(name).field for name in (*table.primary_key, table.cursor, table.deleted_flag) if name}
    for column in table.columns:
        name = column.field

        def say(problem: str, remedy: str, *, blocks: bool, name: str = name) -> None:
            problems.append(Problem(table.name, name, problem, remedy, blocks))

        before, after = present.field(name) if present else None, following.field(name)
        if not following.has(name):
            also = "" if present is None or present.has(name) else ", in neither instance"
            say(
                f"missing, or hidden from the integration user{also}",
                "Create the field, or grant it to the user"
                + ("." if name in vital else "; else its column keeps NULL."),
                blocks=True,
            )
        elif after is not None and not fits(after.type, column):
            was = f", was {before.type}" if before else ""
            say(
                f"is {after.type}{was}; column {column.name} is {column.type} and does not hold every {after.type}",
                "Change the field's type, or declare a column of another name and a wider type.",
                blocks=True,
            )
        elif after is not None and before is not None:
            _soft(before, after, say)
    return problems


def _soft(before: Field, after: Field, say: Callable[..., None]) -> None:
    if before.type != after.type:
        say(f"is {after.type}, was {before.type}; its column holds both", "Nothing, if that is meant.", blocks=False)
    lost = [value for value in before.values if value not in after.values]
    if lost:
        say(
            f"does not offer {', '.join(map(repr, lost[:10]))}{' and more' if len(lost) > 10 else ''}",
            "Add the picklist values, or adapt the models and tests that name them.",
            blocks=False,
        )


async def _instances(now: _Org, then: _Org) -> list[Problem]:
    problems: list[Problem] = []
    if await now.session.base_url() == await then.session.base_url():
        problems.append(Problem("", "", "both settings name the same instance", "Correct MGDW_SALESFORCE_LOGIN_URL."))
    offered = [str(one["version"]) for one in (await then.session.request("GET", "/services/data")).json()]
    if then.version not in offered:
        problem = f"API version {then.version} is not served; the newest is {offered[-1] if offered else 'unknown'}"
        remedy = "Set MGDW_SALESFORCE_API_VERSION to a version the next instance serves; the tables were not compared."
        problems.append(Problem("", "", problem, remedy, blocks=True))
    return problems


async def _table(table: Table, now: _Org, then: _Org) -> tuple[list[Problem], Count]:
    present, following = await asyncio.gather(now.schema(table), then.schema(table))
    counts = await asyncio.gather(now.count(table, present), then.count(table, following))
    count = Count(table.name, *counts)
    if following is None:
        also = "" if present else ", in neither instance"
        remedy = "Create the object there, or grant it to the integration user, or take the table out of the contract."
        return [
            Problem(table.name, "", f"object {table.object} is missing or hidden{also}", remedy, blocks=True)
        ], count
    problems = differences(table, present, following)
    if present is not None and present.replicates and not following.replicates:
        remedy = "Deletions come by the reconciliation of keys alone: have it run more often for this table."
        problems.append(Problem(table.name, "", "deletions are no longer logged for the object", remedy))
    if count.present and count.following == 0:
        remedy = "Migrate the data first, or check what the integration user may see."
        problems.append(Problem(table.name, "", f"no records, {count.present} at present", remedy, blocks=True))
    elif count.present and count.following is not None and count.following < count.present:
        remedy = "Check that the migration is complete and what the integration user may see."
        less = f"{count.present - count.following} fewer records than at present"
        problems.append(Problem(table.name, "", less, remedy))
    ids = await now.some_ids(table) if present and count.present and count.following else []
    known = await then.known_of(table, ids) if ids else None
    if known is not None and known < len(ids):
        remedy = (
            "Records have new ids there. Load every table in full after the cutover, so that the old ids become "
            "deleted rows, and match history by an external id."
        )
        problems.append(Problem(table.name, "Id", f"{known} of {len(ids)} sampled ids exist", remedy))
    return problems, count


class _Org:
    """One instance, logged in."""

    def __init__(self, name: str, settings: SalesforceSettings, retry: RetryPolicy | None) -> None:
        self._name = name
        self.version = settings.api_version
        self._data = f"/services/data/v{settings.api_version}"
        self.session = HttpSession(
            settings.login_url,
            name=f"salesforce ({name} instance)",
            auth=SalesforceAuth(settings),
            classify=classify,
            retry=retry,
            budget=CallBudget(share=settings.quota_share, read_usage=api_usage),
        )
        self._describer = Describer(self.session, settings.api_version)

    async def __aenter__(self) -> Self:
        try:
            await self.session.token()
        except BaseException as error:
            await self.session.aclose()
            if isinstance(error, MgdwError):
                named = copy.copy(error)
                named.cause = f"{self._name} instance: {error.cause}"
                raise named from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.aclose()

    async def schema(self, table: Table) -> ObjectSchema | None:
        """The object as described; None when it is not there."""
        try:
            return await self._describer.schema(table)
        except UnknownObject:
            return None

    async def count(self, table: Table, schema: ObjectSchema | None) -> int | None:
        """Living records, as the contract's filter has them; None when they cannot be counted."""
        if schema is None:
            return None
        where = f" WHERE {table.filter}" if table.filter else ""
        body = await self._asked(f"SELECT COUNT() FROM {table.object}{where}")  # noqa: S608 - the contract's own words
        return int(body["totalSize"]) if body else None

    async def some_ids(self, table: Table) -> list[str]:
        """A few ids."""
        key = table.column(table.primary_key[0]).field
        body = await self._asked(f"SELECT {key} FROM {table.object} LIMIT {_SAMPLE}")  # noqa: S608 - likewise
        return [record[key] for record in body["records"]] if body else []

    async def known_of(self, table: Table, ids: Iterable[str]) -> int | None:
        """How many of the ids exist."""
        listed = ", ".join(f"'{one}'" for one in ids)
        key = table.column(table.primary_key[0]).field
        where = f"{key} IN ({listed})"
        body = await self._asked(f"SELECT COUNT() FROM {table.object} WHERE {where}")  # noqa: S608 - ids, not words
        return int(body["totalSize"]) if body else None

    async def _asked(self, soql: str) -> dict[str, Any] | None:
        try:
            return (await self.session.request("GET", f"{self._data}/query/", params={"q": soql})).json()
        except MgdwError:
            return None  # a count that takes too long, an object that cannot be counted: told as unknown


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _number(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


__all__ = ["Count", "PreflightReport", "Problem", "compare", "differences"]
