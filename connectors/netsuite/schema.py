"""What the account says of its records: the catalog's fields, and which of them a query may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Table
from connectors.drift import SchemaDrift
from connectors.errors import MgdwError, RetryableError
from connectors.netsuite.catalog import CatalogField, fields_of, record_types
from connectors.netsuite.client import NetSuiteClient
from connectors.netsuite.fields import Probe, known_fields, missing_fields
from connectors.netsuite.suiteql import probe_query

_GUESSES = 3
_PATIENCE = 120.0
"""Seconds for one schema; the catalog is known to be slow, and the rows are worth more than news of it."""


class Schemas:
    """The schemas of one session, each read once.

    Where the role may not read the catalog, only missing fields are found: which columns a record has besides cannot be
    known for sure from its rows, because NULLs are left out of them.
    """

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client
        self._catalogs: dict[str, asyncio.Task[dict[str, Any] | None]] = {}

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the record with the contract. Raises UnknownObject.

        Costs one query where nothing is amiss. Of fields that only the catalog names, custom ones are called the same
        in SuiteQL; a standard one may not be a column, so they are tried together, and three refusals end it.
        """
        catalog = await self.catalog(table)
        known = {name.lower() for name in table.fields}
        fresh = [field for name, field in sorted(catalog.items()) if name not in known]
        custom = [field.name for field in fresh if field.is_custom]
        missing, custom = await self._asked(table, custom)
        standard = await self._guessed(table, [field.name for field in fresh if not field.is_custom])
        told = [name for name in (*table.fields, *custom, *standard) if name.lower() in catalog]
        return SchemaDrift(
            table.name,
            missing=missing,
            added=tuple(sorted((*custom, *standard))),
            types={name: catalog[name.lower()].type for name in told},
        )

    async def missing(self, table: Table, fields: Sequence[str]) -> tuple[str, ...]:
        """Which of the fields the account does not know. Raises what else a query for them raises."""
        return await missing_fields(fields, self._probe(table))

    async def readable(self, table: Table, fields: Sequence[str]) -> tuple[str, ...]:
        """Which of the fields a query may ask for; none where it is refused for another reason than a name."""
        try:
            missing = await self.missing(table, fields)
        except RetryableError:
            raise
        except MgdwError:
            return ()
        return tuple(name for name in fields if name not in missing)

    async def _asked(self, table: Table, custom: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """The contract's fields that are missing, and the custom fields that can be had."""
        try:
            refused = await self.missing(table, (*table.fields, *custom))
        except RetryableError:
            raise
        except MgdwError:
            if not custom:
                raise
            return await self.missing(table, table.fields), []
        missing = tuple(name for name in table.fields if name in refused)
        return missing, [name for name in custom if name not in refused]

    async def _guessed(self, table: Table, standard: Sequence[str]) -> tuple[str, ...]:
        try:
            return await known_fields(standard, self._probe(table), refusals=_GUESSES)
        except RetryableError:
            raise
        except MgdwError:
            return ()

    def _probe(self, table: Table) -> Probe:
        async def probe(fields: Sequence[str]) -> object:
            return await self._client.query(probe_query(table, fields))

        return probe

    async def catalog(self, table: Table) -> Mapping[str, CatalogField]:
        """The catalog's fields of the table's record types; empty where there is no catalog to be read."""
        schemas = await asyncio.gather(*(self._schema(name) for name in record_types(table)))
        return fields_of(schema for schema in schemas if schema is not None)

    def close(self) -> None:
        """Stop reading schemas."""
        for task in self._catalogs.values():
            task.cancel()

    async def _schema(self, record_type: str) -> dict[str, Any] | None:
        if record_type not in self._catalogs:
            self._catalogs[record_type] = asyncio.create_task(self._read(record_type))
        return await asyncio.shield(self._catalogs[record_type])

    async def _read(self, record_type: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._client.schema(record_type)
        except (MgdwError, TimeoutError):
            # A record type that is not enabled, a role that may not look, a catalog that is down: the rows can be read.
            return None
