"""What the org says about its objects, through simple-salesforce."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

from connectors.answers import default_classify
from connectors.contract import Table
from connectors.errors import MgdwError, SourceUnavailable, UnknownField, UnknownObject
from connectors.http import HttpSession, Token
from connectors.salesforce.classify import classify
from connectors.salesforce.types import SELECTABLE, type_name
from connectors.settings import is_loopback
from connectors.source import SchemaDrift

_TIMEOUT = (15, 120)
"""Seconds to connect, and without a byte."""


@dataclass(frozen=True)
class Field:
    """One field as this user sees it.

    Attributes:
        type: see `types.type_name`.
        selectable: a query may name it, in bulk too.
        values: of a picklist, the active ones.
    """

    name: str
    type: str
    selectable: bool
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectSchema:
    """One object as this user sees it.

    Attributes:
        fields: by name in lower case.
        relationships: names in lower case by which a field of a parent is reached (`owner` in `Owner.Name`).
        replicates: True when `/updated` and `/deleted` serve the object.
    """

    name: str
    fields: Mapping[str, Field]
    relationships: frozenset[str]
    replicates: bool

    def field(self, name: str) -> Field | None:
        """The field of that name (any case), or None."""
        return self.fields.get(name.lower())

    def has(self, name: str) -> bool:
        """Whether a query may name the field, as far as one can tell: of a parent only the relationship is known."""
        parent, dot, _ = name.lower().partition(".")
        return parent in self.relationships if dot else parent in self.fields

    def drift(self, table: Table) -> SchemaDrift:
        """Compare with the contract. Names are compared without regard to case, as SOQL does."""
        named = {field.lower() for field in table.fields}
        added = sorted(f.name for name, f in self.fields.items() if f.selectable and name not in named)
        types = {name: found.type for name in (*table.fields, *added) if (found := self.field(name))}
        return SchemaDrift(table.name, tuple(f for f in table.fields if not self.has(f)), tuple(added), types)

    def require(self, table: Table, fields: Iterable[str]) -> None:
        """Raise UnknownField, naming every one of the fields that the object lacks."""
        missing = tuple(field for field in fields if not self.has(field))
        if missing:
            raise UnknownField(
                f"{table.name}: Salesforce object {self.name} lacks or hides from this user: {', '.join(missing)}",
                table=table.name,
                fields=missing,
            )


class Describer:
    """Describes objects, each once. Safe for concurrent use.

    Args:
        session: supplies the login and the retries.
        version: of the REST API, like `62.0`.
    """

    def __init__(self, session: HttpSession, version: str) -> None:
        self._session = session
        self._version = version
        self._known: dict[str, ObjectSchema] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def schema(self, table: Table) -> ObjectSchema:
        """The table's object. Raises UnknownObject, PermissionMissing, CredentialsRefused, SourceUnavailable."""
        async with self._locks.setdefault(table.object, asyncio.Lock()):
            if table.object not in self._known:
                self._known[table.object] = _parsed(await self._fetch(table))
            return self._known[table.object]

    async def again(self, table: Table) -> ObjectSchema:
        """The same, as it is now: for a query that was refused."""
        self._known.pop(table.object, None)
        return await self.schema(table)

    async def _fetch(self, table: Table) -> dict[str, Any]:
        token = await self._session.token()
        try:
            return await self._session.retrying(lambda: self._ask(table, token))
        except SalesforceExpiredSession:
            fresh = await self._session.token(stale=token)
        try:
            return await self._session.retrying(lambda: self._ask(table, fresh))
        except SalesforceExpiredSession as error:
            raise _explained(error, table) from None

    async def _ask(self, table: Table, token: Token | None) -> dict[str, Any]:
        assert token is not None
        assert token.base_url is not None
        self._session.count_call()
        try:
            return await asyncio.to_thread(_describe, table.object, token.value, token.base_url, self._version)
        except SalesforceExpiredSession:
            raise
        except SalesforceError as error:
            raise _explained(error, table) from None
        except requests.RequestException as error:
            raise SourceUnavailable(
                f"salesforce: describing {table.object} got no answer ({type(error).__name__})", table=table.name
            ) from None


def _describe(name: str, session_id: str, instance_url: str, version: str) -> dict[str, Any]:
    with requests.Session() as http:
        http.trust_env = not is_loopback(instance_url)
        client = Salesforce(session_id=session_id, instance_url=instance_url, version=version, session=http)
        # simple-salesforce keeps only the host of the instance and assumes https.
        client.base_url = f"{instance_url}/services/data/v{version}/"
        return client.restful(f"sobjects/{name}/describe", timeout=_TIMEOUT) or {}


def _explained(error: SalesforceError, table: Table) -> MgdwError:
    if error.status == 404:
        return UnknownObject(
            f"{table.name}: Salesforce has no object {table.object}, or hides it from this user", table=table.name
        )
    # Declared as bytes, but it is the parsed body, or its text.
    body: Any = error.content
    content = body if isinstance(body, str) else json.dumps(body)
    answer = httpx.Response(error.status, content=content, request=httpx.Request("GET", error.url))
    found = classify(answer) or default_classify(answer)
    assert found is not None
    found.facts["table"] = table.name
    return found


def _parsed(body: dict[str, Any]) -> ObjectSchema:
    fields: list[dict[str, Any]] = body["fields"]
    return ObjectSchema(
        name=body["name"],
        fields={str(f["name"]).lower(): _field(f) for f in fields},
        relationships=frozenset(str(f["relationshipName"]).lower() for f in fields if f.get("relationshipName")),
        replicates=body.get("replicateable", True),
    )


def _field(described: dict[str, Any]) -> Field:
    return Field(
        name=described["name"],
        type=type_name(described),
        selectable=described["type"] in SELECTABLE and not described.get("deprecatedAndHidden"),
        values=tuple(v["value"] for v in described.get("picklistValues") or () if v.get("active", True)),
    )
