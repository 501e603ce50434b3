"""A proxy before a BigQuery server that loses answers and refuses requests, by rules a test gives."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What happens to the first `times` requests that `matches` (method, path, body).

    Attributes:
        status, reason, message: the answer; the request does not arrive.
        is_lost: the request arrives, its answer does not: the connection is closed.
    """

    matches: Callable[[str, str, bytes], bool]
    status: int = 0
    reason: str = ""
    message: str = ""
    is_lost: bool = False
    times: int = 1
    seen: int = 0

    def strikes(self, method: str, path: str, body: bytes) -> bool:
        """True when it is this request's turn."""
        if self.seen >= self.times or not self.matches(method, path, body):
            return False
        self.seen += 1
        return True


@dataclass
class Faults:
    """Use as `with Faults(url) as proxy`; `proxy.url` is its address, `proxy.jobs` the jobs that were asked for."""

    upstream: str
    faults: list[Fault] = field(default_factory=list[Fault])
    jobs: list[str] = field(default_factory=list[str])

    def __enter__(self) -> Self:
        proxy, upstream = self, urlsplit(self.upstream)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "POST" and "/jobs" in self.path:
                    proxy.jobs.append(_job_id(body))
                fault = next((f for f in proxy.faults if f.strikes(self.command, self.path, body)), None)
                if fault and fault.status:
                    self.answer(fault.status, {"Content-Type": "application/json"}, _error(fault))
                    return
                connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                content = response.read()
                connection.close()
                if fault and fault.is_lost:
                    self.close_connection = True
                    return
                kept = {
                    k: v for k, v in response.getheaders() if k.lower() not in ("content-length", "transfer-encoding")
                }
                self.answer(response.status, kept, content)

            def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _error(fault: Fault) -> bytes:
    error = {"reason": fault.reason, "message": fault.message, "domain": "global"}
    return json.dumps({"error": {"code": fault.status, "message": fault.message, "errors": [error]}}).encode()


def _job_id(body: bytes) -> str:
    """The id in a job request, also in one with a file behind it."""
    found = body.find(b'"jobId": "')
    return body[found + 10 : body.find(b'"', found + 10)].decode() if found >= 0 else ""
