"""The action calls `query` and `queryMore`: ZOQL answers as JSON, 2,000 records at a time."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from zoneinfo import ZoneInfo

from sandbox.zuora.errors import ActionError, QueryError
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.schema import Field, Kind, Schema, World
from sandbox.zuora.zoql import Dialect, parse, translate
from sandbox.zuora.zoql.literals import local_time, offset_text

PAGE = 2_000
MOST_CONDITIONS = 200
_CURSORS = 50


class Actions:
    """Queries and their cursors. Safe to use from any thread."""

    def __init__(self, world: World, options: ZuoraOptions) -> None:
        self._world = world
        self._options = options
        self._cursors: OrderedDict[str, tuple[list[str], int]] = OrderedDict()
        self._lock = threading.Lock()

    def query(self, text: str, schema: Schema) -> bytes:
        """The first page. Raises ActionError."""
        try:
            query = parse(text)
            if query.conditions > MOST_CONDITIONS:
                raise QueryError(f"more than {MOST_CONDITIONS} conditions")
            plan = translate(query, Dialect(schema, ZoneInfo(self._options.time_zone)), self._world)
        except QueryError as error:
            raise ActionError("MALFORMED_QUERY", str(error)) from None
        members = " || ".join(_member(field, self._options.time_zone) for field in plan.fields)
        # NULL fields are left out; the first comma goes with the braces.
        rows = self._world.sql(f"SELECT '{{' || substr({members}, 2) || '}}' FROM {plan.rows}").fetchall()
        return self._page([row for (row,) in rows], 0)

    def query_more(self, locator: str) -> bytes:
        """The next page. Raises ActionError for a locator that is unknown or used up."""
        with self._lock:
            found = self._cursors.pop(locator, None)
        if found is None:
            raise ActionError("INVALID_VALUE", "invalid query locator")
        return self._page(*found)

    def _page(self, rows: list[str], start: int) -> bytes:
        page, end = rows[start : start + PAGE], start + PAGE
        done = end >= len(rows)
        more = ""
        if not done:
            locator = f"{uuid.uuid4().hex}-{end}"
            more = f',"queryLocator":"{locator}"'
            with self._lock:
                self._cursors[locator] = (rows, end)
                while len(self._cursors) > _CURSORS:
                    self._cursors.popitem(last=False)
        return f'{{"size":{len(rows)},"records":[{",".join(page)}],"done":{str(done).lower()}{more}}}'.encode()


def _member(field: Field, zone: str) -> str:
    column = f'"{field.name}"'
    match field.kind:
        case Kind.INTEGER | Kind.DECIMAL | Kind.BOOLEAN:
            value = f"CAST({column} AS VARCHAR)"
        case Kind.DATETIME:
            value = f"""'"' || {_stamp(column, zone)} || '"'"""
        case Kind.DATE:
            value = f"""'"' || CAST({column} AS VARCHAR) || '"'"""
        case Kind.TEXT:
            value = f"CAST(to_json({column}) AS VARCHAR)"
    return f"""coalesce(',"{field.name}":' || {value}, '')"""


def _stamp(column: str, zone: str) -> str:
    """With milliseconds and the tenant's offset: `2026-06-14T23:00:00.000-07:00`."""
    local = local_time(column, zone)
    return f"strftime({local}, '%Y-%m-%dT%H:%M:%S.000') || {offset_text(column, local, ':')}"
