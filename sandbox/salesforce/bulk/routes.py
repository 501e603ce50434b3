"""The HTTP side of Bulk API 2.0 query jobs."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox.salesforce.bulk.jobs import Job, JobState
from sandbox.salesforce.bulk.results import ResultSet
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.rest import base_path, org_of

_CHUNK = 1 << 20
_RESULT_PAGES = 5
"""Most `resultUrl` in one `resultPages` answer."""


async def jobs(request: Request) -> Response:
    """POST creates a job, GET lists all."""
    bulk = org_of(request).jobs
    if request.method == "POST":
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise ApiError(400, "JSON_PARSER_ERROR", "The HTTP entity body is not JSON") from None
        created = await run_in_threadpool(bulk.create, body, _version(request))
        return JSONResponse(created)
    return JSONResponse({"done": True, "records": [job.status() for job in bulk.all()], "nextRecordsUrl": None})


async def job(request: Request) -> Response:
    """GET a job's status, PATCH to abort it, DELETE to forget it."""
    bulk, job_id = org_of(request).jobs, request.path_params["job_id"]
    if request.method == "DELETE":
        bulk.delete(job_id)
        return Response(status_code=204)
    if request.method == "PATCH":
        try:
            wanted = json.loads(await request.body())
        except ValueError:
            wanted = None
        if wanted != {"state": "Aborted"}:
            raise ApiError(400, "INVALIDJOB", "A query job's state can only be set to Aborted")
        return JSONResponse(bulk.abort(job_id).describe())
    return JSONResponse(bulk.poll(job_id).status())


async def results(request: Request) -> Response:
    """GET one page of results: a whole page file where the client takes it, else a part of it."""
    result = _result(request)
    first = _row(request.query_params.get("locator"))
    most = request.query_params.get("maxRecords")
    if most is not None and not (most.isdigit() and int(most) > 0):
        raise ApiError(400, "INVALID_PARAMETER", "maxRecords must be a positive integer")
    located = result.locate(first)
    if located is None:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "Invalid locator")
    page, offset = located
    count = page.rows - offset if most is None else min(int(most), page.rows - offset)
    following = first + count
    gzip = "gzip" in request.headers.get("accept-encoding", "")
    headers = {
        "Sforce-NumberOfRecords": str(count),
        "Sforce-Locator": _locator(following) if following < result.rows else "null",
        "Content-Type": "text/csv",
        "Vary": "Accept-Encoding",
        **({"Content-Encoding": "gzip"} if gzip else {}),
    }
    if count == page.rows:
        path = await run_in_threadpool(page.gzipped) if gzip else page.path
        headers["Content-Length"] = str(path.stat().st_size)
        return StreamingResponse(_chunks(path), headers=headers)
    body = await run_in_threadpool(page.slice, offset, count)
    return Response(await run_in_threadpool(_gzipped, body) if gzip else body, headers=headers)


async def result_pages(request: Request) -> Response:
    """GET up to five addresses of result pages, to be fetched in parallel."""
    result = _result(request)
    first = _row(request.query_params.get("locator"))
    starts: list[int] = []
    row = 0
    for page in result.pages:
        starts += [row] if row >= first else []
        row += page.rows
    here = f"{base_path(request)}/jobs/query/{request.path_params['job_id']}"
    answer: dict[str, object] = {
        "resultPages": [{"resultUrl": f"{here}/results?locator={_locator(start)}"} for start in starts[:_RESULT_PAGES]]
    }
    rest = starts[_RESULT_PAGES:]
    if rest:
        answer["nextRecordsUrl"] = f"{here}/resultPages?locator={_locator(rest[0])}"
    return JSONResponse({**answer, "done": not rest})


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    # Read in the event loop: the pages sit in the page cache, and a hop to a thread costs more than the read.
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _result(request: Request) -> ResultSet:
    found: Job = org_of(request).jobs.job(request.path_params["job_id"])
    if found.api_version != _version(request):
        raise ApiError(
            409, "API_ERROR", f"Results must be read with the API version that created the job: {found.api_version}"
        )
    if found.state is not JobState.JOB_COMPLETE or found.result is None:
        raise ApiError(400, "INVALIDJOBSTATE", f"Results are not available: the job's state is {found.state}")
    return found.result


def _version(request: Request) -> float:
    return float(request.path_params["version"])


def _locator(row: int) -> str:
    return base64.urlsafe_b64encode(str(row).encode()).decode().rstrip("=")


def _row(locator: str | None) -> int:
    if locator is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
    except (ValueError, binascii.Error):
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "Invalid locator") from None


def _gzipped(body: bytes) -> bytes:
    return zlib.compress(body, 1, 31)
