"""The REST API: versions, describe, limits, query, record, updated and deleted (REST API Developer Guide)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.salesforce.errors import ApiError, malformed, not_found
from sandbox.salesforce.org import Cursor, SalesforceOrg
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.soql.plan import Plan, plan, quoted

_MOST_ROWS = 2000
_RELEASES = ("Spring", "Summer", "Winter")


def org_of(request: Request) -> SalesforceOrg:
    """The org behind a request."""
    return request.app.state.org


def base_path(request: Request) -> str:
    """`/services/data/vXX.X` as the client wrote it."""
    return f"/services/data/v{request.path_params['version']}"


async def versions(request: Request) -> Response:
    """GET /services/data: open to everyone."""
    latest = int(org_of(request).options.latest_version)
    return JSONResponse(
        [
            {"label": _release(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in range(31, latest + 1)
        ]
    )


async def resources(request: Request) -> Response:
    """GET /services/data/vXX.X."""
    names = ("composite", "jobs", "limits", "query", "queryAll", "sobjects")
    return JSONResponse({name: f"{base_path(request)}/{name}" for name in names})


async def limits(request: Request) -> Response:
    """GET /limits."""
    return JSONResponse(org_of(request).limits())


async def record_count(request: Request) -> Response:
    """GET /limits/recordCount?sObjects=: rows that are not deleted, as of some time ago."""
    org = org_of(request)
    wanted = request.query_params.get("sObjects", "").split(",")
    found = [one for name in wanted if (one := org.schema.object(name)) is not None]
    counts = [{"count": _fetch(org, _counting(org, one))[0][0], "name": one.name} for one in found]
    return JSONResponse({"sObjects": counts})


def _counting(org: SalesforceOrg, found: SObject) -> Plan:
    return plan(f"SELECT COUNT() FROM {found.name}", org.schema, include_deleted=False)


async def sobjects(request: Request) -> Response:
    """GET /sobjects."""
    schema = org_of(request).schema
    found = [schema.object(name) for name in schema.names()]
    entries = [_entry(request, one) for one in found if one is not None]
    return JSONResponse({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": entries})


async def sobject(request: Request) -> Response:
    """GET /sobjects/{object}."""
    found = _object(request)
    return JSONResponse({"objectDescribe": _entry(request, found), "recentItems": []})


async def describe(request: Request) -> Response:
    """GET /sobjects/{object}/describe."""
    found = _object(request)
    fields = [field.describe() for field in found.fields]
    return JSONResponse({**_entry(request, found), "childRelationships": [], "recordTypeInfos": [], "fields": fields})


async def record(request: Request) -> Response:
    """GET /sobjects/{object}/{id}, optionally ?fields=."""
    found = _object(request)
    record_id: str = request.path_params["record_id"]
    if not (record_id.isalnum() and len(record_id) in (15, 18)):
        raise not_found()
    names = request.query_params.get("fields") or ", ".join(field.name for field in found.fields)
    soql = f"SELECT {names} FROM {found.name} WHERE Id = '{record_id}'"
    planned = plan(soql, org_of(request).schema, include_deleted=False)
    rows = await run_in_threadpool(_fetch, org_of(request), planned)
    if not rows:
        raise not_found()
    return JSONResponse(_records(request, planned, rows)[0])


async def query(request: Request) -> Response:
    """GET /query?q=: rows that are not deleted."""
    return await _query(request, include_deleted=False)


async def query_all(request: Request) -> Response:
    """GET /queryAll?q=: also rows in the recycle bin."""
    return await _query(request, include_deleted=True)


async def _query(request: Request, *, include_deleted: bool) -> Response:
    soql = request.query_params.get("q")
    if not soql:
        raise malformed("A query string has to be specified")
    org = org_of(request)
    planned = await run_in_threadpool(plan, soql, org.schema, include_deleted=include_deleted)
    if planned.query.counts_only:
        counted = await run_in_threadpool(_fetch, org, planned)
        return JSONResponse({"totalSize": counted[0][0], "done": True, "records": []})
    rows = await run_in_threadpool(_fetch, org, planned)
    if org.options.most_rows_in_time is not None and len(rows) > org.options.most_rows_in_time:
        raise ApiError(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
    return _page(request, Cursor(planned, rows, _batch_size(request)), 0, None)


async def query_more(request: Request) -> Response:
    """GET /query/{locator}-{offset}."""
    locator, _, offset = request.path_params["locator"].rpartition("-")
    cursor = org_of(request).cursor(locator)
    if not offset.isdigit() or int(offset) > len(cursor.rows):
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return await run_in_threadpool(_page, request, cursor, int(offset), locator)


async def updated(request: Request) -> Response:
    """GET /sobjects/{object}/updated: ids of rows that changed, and up to when that is all of them."""
    found, org = _replicated(request), org_of(request)
    start, end = _span(request, org, timedelta(days=30))
    where = '"SystemModstamp" >= ? AND "SystemModstamp" < ? AND "_deleted_at" IS NULL'
    where += ' AND NOT "IsDeleted"' if found.soft_deletes else ""
    sql = f'SELECT "Id" FROM salesforce.{quoted(found.name)} WHERE {where} LIMIT {org.options.replication_ids + 1}'
    rows = await run_in_threadpool(_run, org, sql, [start, end])
    _check_ids(org, len(rows))
    return JSONResponse({"ids": [row[0] for row in rows], "latestDateCovered": _stamp(_covered(org, end))})


async def deleted(request: Request) -> Response:
    """GET /sobjects/{object}/deleted: ids of rows that went, to the recycle bin or for good."""
    found, org = _replicated(request), org_of(request)
    start, end = _span(request, org, timedelta(days=15))
    gone = '"_deleted_at"'
    if found.soft_deletes:
        gone = 'coalesce("_deleted_at", CASE WHEN "IsDeleted" THEN "SystemModstamp" END)'
    table = f"salesforce.{quoted(found.name)}"
    sql = f'SELECT "Id", {gone} FROM {table} WHERE {gone} >= ? AND {gone} < ? LIMIT {org.options.replication_ids + 1}'
    rows = await run_in_threadpool(_run, org, sql, [start, end])
    _check_ids(org, len(rows))
    records = [{"id": row[0], "deletedDate": _stamp(row[1])} for row in rows]
    earliest = org.world.now - timedelta(days=15)
    return JSONResponse(
        {
            "deletedRecords": records,
            "earliestDateAvailable": _stamp(earliest),
            "latestDateCovered": _stamp(_covered(org, end)),
        }
    )


def _fetch(org: SalesforceOrg, planned: Plan) -> list[tuple[Any, ...]]:
    return _run(org, planned.sql(), list(planned.params))


def _run(org: SalesforceOrg, sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    with org.world.lock:  # not between the two halves of a change
        return org.world.sql(sql, params).fetchall()


def _page(request: Request, cursor: Cursor, offset: int, locator: str | None) -> Response:
    total = len(cursor.rows)
    rows = cursor.rows[offset : offset + cursor.batch]
    end = offset + len(rows)
    answer: dict[str, Any] = {"totalSize": total, "done": end >= total}
    if end < total:
        locator = locator or org_of(request).open_cursor(cursor)
        answer["nextRecordsUrl"] = f"{base_path(request)}/query/{locator}-{end}"
    answer["records"] = _records(request, cursor.plan, rows)
    return JSONResponse(answer)


def _records(request: Request, planned: Plan, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    names = [output.name for output in planned.outputs]
    records = [_nested(zip(names, row, strict=True)) for row in rows]
    if planned.query.is_aggregate:
        return [{"attributes": {"type": "AggregateResult"}, **record} for record in records]
    kind = planned.object.name
    place = f"{base_path(request)}/sobjects/{kind}/"
    return [
        {"attributes": {"type": kind, **({"url": place + record["Id"]} if "Id" in record else {})}, **record}
        for record in records
    ]


def _nested(row: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """One record; fields of a parent come as an object, null where none of them has a value."""
    record: dict[str, Any] = {}
    parents: dict[str, dict[str, Any]] = {}
    for name, value in row:
        parent, dot, inner = name.rpartition(".")
        if dot:
            parents.setdefault(parent, {})[inner] = _json_value(value)
        else:
            record[name] = _json_value(value)
    for path, fields in parents.items():
        at = record
        *outer, last = path.split(".")
        for step in outer:
            at = at.setdefault(step, {"attributes": {"type": step}})
        filled = any(value is not None for value in fields.values())
        at[last] = {"attributes": {"type": last}, **fields} if filled else None
    return record


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)  # Salesforce's numbers are doubles on the wire
    if isinstance(value, dict):
        return {**value, "geocodeAccuracy": None, "latitude": None, "longitude": None}
    return value


def _stamp(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _batch_size(request: Request) -> int:
    wanted = re.search(r"batchSize\s*=\s*(\d+)", request.headers.get("sforce-query-options", ""), re.IGNORECASE)
    return min(max(int(wanted[1]), 200), _MOST_ROWS) if wanted else _MOST_ROWS


def _object(request: Request) -> SObject:
    found = org_of(request).schema.object(request.path_params["object"])
    if found is None:
        raise not_found()
    return found


def _replicated(request: Request) -> SObject:
    found = _object(request)
    if not found.replicateable:
        raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", f"entity type {found.name} does not support replication")
    return found


def _entry(request: Request, found: SObject) -> dict[str, Any]:
    base = f"{base_path(request)}/sobjects/{found.name}"
    urls = {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"}
    return {**found.summary(), "urls": urls}


def _span(request: Request, org: SalesforceOrg, reach: timedelta) -> tuple[datetime, datetime]:
    """`start` and `end`, naive UTC, seconds dropped as Salesforce does. Raises INVALID_REPLICATION_DATE."""
    try:
        start, end = (_moment(request.query_params[name]) for name in ("start", "end"))
    except (KeyError, ValueError):
        raise ApiError(400, "INVALID_REPLICATION_DATE", "start and end must be dates in ISO 8601 format") from None
    if end - start < timedelta(minutes=1):
        raise ApiError(400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
    if start < org.world.now.astimezone(UTC).replace(tzinfo=None) - reach - timedelta(minutes=1):
        raise ApiError(400, "INVALID_REPLICATION_DATE", f"startDate cannot be more than {reach.days} days ago")
    return start, end


def _moment(text: str) -> datetime:
    # A plus sign that the client did not encode arrives as a space.
    stamp = datetime.fromisoformat(text.strip().replace(" ", "+"))
    aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)


def _covered(org: SalesforceOrg, end: datetime) -> datetime:
    return min(org.latest_date_covered, end.replace(tzinfo=UTC))


def _check_ids(org: SalesforceOrg, count: int) -> None:
    most = org.options.replication_ids
    if count > most:
        raise ApiError(
            400, "EXCEEDED_ID_LIMIT", f"More than {most} ids: choose a start and end that are closer together"
        )


def _release(number: int) -> str:
    # 66.0 is Spring '26; three releases a year.
    return f"{_RELEASES[number % 3]} '{(26 + (number - 66) // 3 + (1 if number % 3 == 2 else 0)) % 100:02d}"
