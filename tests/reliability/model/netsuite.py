"""NetSuite over a model table: login, and SuiteQL as the sandbox understands it."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import Any, cast

import duckdb
import httpx

from connectors.contract import DataType
from sandbox.netsuite.account import NetSuiteAccount, NetSuiteOptions
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.netsuite.errors import RestError
from sandbox.netsuite.pages import PageRequest, answer
from tests.reliability.model.effects import Answer
from tests.reliability.model.table import ModelTable

_TYPES = {
    DataType.STRING: "VARCHAR", DataType.NUMERIC: "DECIMAL(38,9)", DataType.INT64: "BIGINT",
    DataType.BOOL: "BOOLEAN", DataType.DATE: "DATE", DataType.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip
_TOKEN = "/services/rest/auth/oauth2/v1/token"
_database = duckdb.connect()
_database.execute("SET threads = 1")


@dataclass
class _Names:
    """The names of the records, without a query for them."""

    names: list[tuple[str]]

    def fetchall(self) -> list[tuple[str]]:
        return self.names


class _World:
    """The model table as the sandbox's SuiteQL reads it."""

    def __init__(self, model: ModelTable) -> None:
        self.model = model
        self.lock = threading.RLock()
        self._seen: tuple[int, tuple[str, ...]] | None = None

    @property
    def now(self) -> Any:
        return self.model.now

    def sql(self, sql: str, params: Any = None) -> Any:
        if "information_schema.tables" in sql:
            return _Names([(self.model.table.object,), ("DeletedRecord",)])
        return _database.execute(sql, params)

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        if table == "DeletedRecord":
            return [("recordid", "BIGINT"), ("type", "VARCHAR"), ("name", "VARCHAR"), ("deleteddate", "TIMESTAMP")]
        return [(f, _TYPES[kind]) for f, kind in self.model.columns().items()]

    def refresh(self) -> None:
        """Write the model's rows into the tables that queries read."""
        model, columns = self.model, self.model.columns()
        state = (model.changes, tuple(columns))
        if state == self._seen:
            return
        self._seen = state
        name = model.table.object
        listed = ", ".join(f'"{f}" {_TYPES[kind]}' for f, kind in columns.items())
        _database.execute(f'CREATE SCHEMA IF NOT EXISTS netsuite; CREATE OR REPLACE TABLE netsuite."{name}" ({listed})')
        _database.execute(
            'CREATE OR REPLACE TABLE netsuite."DeletedRecord" '
            "(recordid BIGINT, type VARCHAR, name VARCHAR, deleteddate TIMESTAMP)"
        )
        rows = [[_naive(model.value(n, f)) for f in columns] for n in model.rows]
        if rows:
            marks = ", ".join("?" * len(columns))
            _database.executemany(f'INSERT INTO netsuite."{name}" VALUES ({marks})', rows)
        log = [[model.key(n), name, "", _naive(at)] for n, at in model.log]
        if log:
            _database.executemany('INSERT INTO netsuite."DeletedRecord" VALUES (?, ?, ?, ?)', log)


@dataclass
class NetSuiteModel:
    """One account with one record type.

    Args:
        page_rows: the most rows a page has, whatever is asked for.
        mixes: how many of the next pages are answered with the one before, as a confused cache does.
    """

    model: ModelTable
    token: str
    page_rows: int = 5
    mixes: int = 0
    _first: dict[str, bytes] = field(default_factory=dict[str, bytes])
    retyped: dict[str, str] = field(default_factory=dict[str, str])
    calls: int = 0
    pages: int = 0
    _tokens: set[str] = field(default_factory=set[str])
    _issued: int = 0

    def __post_init__(self) -> None:
        self._world = _World(self.model)
        options = NetSuiteOptions(concurrency_limit=50)
        self._account = NetSuiteAccount(self._world, cast(NetSuiteCredentials, None), options)

    def expire(self) -> None:
        """Forget every token."""
        self._tokens.clear()

    def serve(self, method: str, path: str, query: dict[str, str], headers: httpx.Headers, body: bytes) -> Answer:
        """Answer one request."""
        self.calls += 1
        told = {"Content-Type": "application/json"}
        if path == _TOKEN:
            assert b"client_assertion=" in body
            self._issued += 1
            token = f"{self.token}-{self._issued}"
            self._tokens.add(token)
            issued = {"access_token": token, "expires_in": "3600", "token_type": "Bearer"}
            return 200, told, json.dumps(issued).encode()
        try:
            if headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
                raise RestError(401, "INVALID_LOGIN", "Invalid login attempt.")
            if path.endswith("/governanceLimits"):
                return 200, told, json.dumps(self._account.governance()).encode()
            if not path.endswith("/suiteql"):
                raise RestError(404, "NONEXISTENT_ID", "The requested URL does not exist.")
            self._world.refresh()
            limit = min(int(query.get("limit", 1000)), self.page_rows)
            asked = PageRequest(limit, int(query.get("offset", 0)))
            self.pages += 1
            return 200, told, self._page(json.loads(body)["q"], asked, f"https://model{path}")
        except RestError as error:
            response = error.response()
            return response.status_code, told, bytes(response.body)

    def _page(self, query: str, asked: PageRequest, url: str) -> bytes:
        start = re.sub(r"\w+ > \d+", "", query)
        if self.mixes and start != query and start in self._first:
            self.mixes -= 1
            return self._first[start]
        page = answer(self._account, query, asked, url)
        self._first[start] = page
        return page


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value
