"""The REST API of a Tableau site, as far as refreshes and publishing need it.

Shapes follow Tableau's REST API reference as the official Python client reads them.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import Message
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.tableau.site import DataSource, Job, TableauSiteModel

NAMESPACE = "http://tableau.com/api"
API_VERSION = "3.29"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def create_app(site: TableauSiteModel) -> Starlette:
    """The site's REST API."""
    api = _Api(site)
    at_site = "/api/{version}/sites/{site}"
    return Starlette(
        routes=[
            Route("/api/{version}/serverInfo", api.server_info),
            Route("/api/{version}/serverinfo", api.server_info),
            Route("/api/{version}/auth/signin", api.sign_in, methods=["POST"]),
            Route("/api/{version}/auth/signout", api.sign_out, methods=["POST"]),
            Route(f"{at_site}/projects", api.signed_in(api.projects)),
            Route(f"{at_site}/datasources", api.signed_in(api.data_sources)),
            Route(f"{at_site}/datasources", api.signed_in(api.publish), methods=["POST"]),
            Route(f"{at_site}/datasources/{{id}}", api.signed_in(api.data_source)),
            Route(f"{at_site}/datasources/{{id}}/refresh", api.signed_in(api.refresh), methods=["POST"]),
            Route(f"{at_site}/jobs", api.signed_in(api.jobs)),
            Route(f"{at_site}/jobs/{{id}}", api.signed_in(api.job)),
            Route(f"{at_site}/fileUploads", api.signed_in(api.start_upload), methods=["POST"]),
            Route(f"{at_site}/fileUploads/{{id}}", api.signed_in(api.append_upload), methods=["PUT"]),
        ]
    )


class _Api:
    def __init__(self, site: TableauSiteModel) -> None:
        self.site = site

    def signed_in(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Refuse the call unless it carries a living session of this site."""

        async def guarded(request: Request) -> Response:
            if not self.site.is_signed_in(request.headers.get("x-tableau-auth", "")):
                return _error(401, "401002", "Unauthorized Access", "Invalid authentication credentials were provided.")
            if request.path_params["site"] != self.site.site_id:
                return _error(
                    404, "404000", "Resource Not Found", f"Site '{request.path_params['site']}' could not be found."
                )
            return await handler(request)

        return guarded

    async def server_info(self, request: Request) -> Response:
        return _answer(
            '<serverInfo><productVersion build="20262.26.0601.1200">2026.2.5</productVersion>'
            f"<restApiVersion>{API_VERSION}</restApiVersion></serverInfo>"
        )

    async def sign_in(self, request: Request) -> Response:
        credentials = _without_namespace(await request.body(), "credentials")
        if credentials is None:
            return _error(400, "400000", "Bad Request", "The content of the request body is missing or incomplete.")
        site = next((child for child in credentials if child.tag.endswith("site")), None)
        token = self.site.sign_in(
            credentials.get("personalAccessTokenName", ""),
            credentials.get("personalAccessTokenSecret", ""),
            "" if site is None else site.get("contentUrl", ""),
        )
        if token is None:
            return _error(401, "401001", "Signin Error", "Error signing in to Tableau Server")
        return _answer(
            f'<credentials token={quoteattr(token)}><site id="{self.site.site_id}" contentUrl="{self.site.site_url}"/>'
            f'<user id="{self.site.user_id}"/></credentials>'
        )

    async def sign_out(self, request: Request) -> Response:
        self.site.sign_out(request.headers.get("x-tableau-auth", ""))
        return Response(status_code=204)

    async def projects(self, request: Request) -> Response:
        return _answer(
            '<pagination pageNumber="1" pageSize="100" totalAvailable="1"/>'
            f'<projects><project id="{self.site.project_id}" name="Executive"/></projects>'
        )

    async def data_sources(self, request: Request) -> Response:
        size, number = int(request.query_params.get("pageSize", 100)), int(request.query_params.get("pageNumber", 1))
        every = list(self.site.data_sources.values())
        page = every[(number - 1) * size : number * size]
        return _answer(
            f'<pagination pageNumber="{number}" pageSize="{size}" totalAvailable="{len(every)}"/>'
            f"<datasources>{''.join(map(self._data_source, page))}</datasources>"
        )

    async def data_source(self, request: Request) -> Response:
        found = self.site.data_sources.get(request.path_params["id"])
        return _answer(self._data_source(found)) if found else _no_such("Datasource", request.path_params["id"])

    async def refresh(self, request: Request) -> Response:
        source = self.site.data_sources.get(request.path_params["id"])
        if source is None:
            return _no_such("Datasource", request.path_params["id"])
        job = self.site.start_refresh(source.id)
        if job is None:
            return _error(
                409,
                "409093",
                "Resource Conflict",
                f"Job for '{source.name}' is already queued. Not queuing a duplicate.",
            )
        return _answer(_job(job), status=202)

    async def jobs(self, request: Request) -> Response:
        every = list(self.site.jobs.values())
        listed = "".join(
            f'<backgroundJob id="{j.id}" status="{_status(j)}" jobType="refresh_extracts" priority="50"'
            f' createdAt="{j.created_at:{_STAMP}}"'
            + (f' endedAt="{j.completed_at:{_STAMP}}"' if j.completed_at else "")
            + "/>"
            for j in every
        )
        return _answer(
            f'<pagination pageNumber="1" pageSize="{max(len(every), 100)}" totalAvailable="{len(every)}"/>'
            f"<backgroundJobs>{listed}</backgroundJobs>"
        )

    async def job(self, request: Request) -> Response:
        job = self.site.jobs.get(request.path_params["id"])
        return _answer(_job(self.site.look_at(job))) if job else _no_such("Job", request.path_params["id"])

    async def start_upload(self, request: Request) -> Response:
        identifier = uuid.uuid4().hex
        self.site.uploads[identifier] = bytearray()
        return _answer(f'<fileUpload uploadSessionId="{identifier}" fileSize="0"/>', status=201)

    async def append_upload(self, request: Request) -> Response:
        upload = self.site.uploads.get(request.path_params["id"])
        if upload is None:
            return _no_such("FileUpload", request.path_params["id"])
        upload += _parts(request, await request.body()).get("tableau_file", b"")
        size = len(upload) // (1024 * 1024)
        return _answer(f'<fileUpload uploadSessionId="{request.path_params["id"]}" fileSize="{size}"/>')

    async def publish(self, request: Request) -> Response:
        parts = _parts(request, await request.body())
        element = _without_namespace(parts.get("request_payload", b""), "datasource")
        if element is None or not element.get("name"):
            return _error(400, "400011", "Bad Request", "The request payload names no data source.")
        session = request.query_params.get("uploadSessionId")
        content = bytes(self.site.uploads.pop(session, b"")) if session else parts.get("tableau_datasource", b"")
        if not content:
            return _error(400, "400011", "Bad Request", "There is no file to publish.")
        overwrite = request.query_params.get("overwrite") == "true"
        published = self.site.publish(element.get("name", ""), content, overwrite=overwrite)
        if published is None:
            return _error(409, "409004", "Resource Conflict", f"Data source '{element.get('name')}' already exists.")
        return _answer(self._data_source(published), status=201)

    def _data_source(self, source: DataSource) -> str:
        stamp = f"{source.updated_at:{_STAMP}}"
        name, url = quoteattr(source.name), quoteattr(source.name.replace(" ", ""))
        return (
            f'<datasource id="{source.id}" name={name} contentUrl={url} type="hyper" createdAt="{stamp}"'
            f' updatedAt="{stamp}" hasExtracts="true" isCertified="false">'
            f'<project id="{self.site.project_id}" name="Executive"/><owner id="{self.site.user_id}"/><tags/>'
            "</datasource>"
        )


def _job(job: Job) -> str:
    source = f'<datasource id="{job.data_source.id}" name={quoteattr(job.data_source.name)}/>'
    notes, ended, progress = "", "", 0
    if job.completed_at is not None:
        notes = f"<notes>{escape(job.notes)}</notes>"
        ended, progress = f' completedAt="{job.completed_at:{_STAMP}}" finishCode="{job.finish}"', 100
    return (
        f'<job id="{job.id}" mode="Asynchronous" type="RefreshExtract" progress="{progress}" '
        f'createdAt="{job.created_at:{_STAMP}}" startedAt="{job.created_at:{_STAMP}}"{ended}>'
        f"<extractRefreshJob>{notes}{source}</extractRefreshJob></job>"
    )


def _status(job: Job) -> str:
    if job.completed_at is None:
        return "InProgress"
    return {0: "Success", 1: "Failed", 2: "Cancelled"}[job.finish]


def _answer(inner: str, status: int = 200) -> Response:
    body = f"<?xml version='1.0' encoding='UTF-8'?><tsResponse xmlns=\"{NAMESPACE}\">{inner}</tsResponse>"
    return Response(body, status, media_type="application/xml;charset=utf-8")


def _error(status: int, code: str, summary: str, detail: str) -> Response:
    return _answer(
        f'<error code="{code}"><summary>{summary}</summary><detail>{escape(detail)}</detail></error>', status
    )


def _no_such(kind: str, identifier: str) -> Response:
    return _error(404, "404004", "Resource Not Found", f"{kind} '{identifier}' could not be found.")


def _without_namespace(body: bytes, tag: str) -> ElementTree.Element | None:
    """The first element of that name, whatever its namespace: the client sends requests without one."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return None
    return next((e for e in root.iter() if e.tag.rsplit("}", 1)[-1] == tag), None)


def _parts(request: Request, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart/mixed body, by name."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message: Message = message_from_bytes(head + body)
    found: dict[str, bytes] = {}
    if not message.is_multipart():
        return found
    for part in message.get_payload():  # type: ignore[union-attr]
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        payload = part.get_payload(decode=True)  # type: ignore[union-attr]
        if isinstance(name, str) and isinstance(payload, bytes):
            found[name] = payload
    return found
