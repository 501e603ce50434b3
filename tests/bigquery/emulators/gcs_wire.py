"""A wire between Google's client and fake-gcs-server on which things go wrong, as told.

fake-gcs-server appends whatever arrives to an upload session and takes the question how far it got for its end. This
server keeps the sessions itself, by the rules of "Perform resumable uploads" (Cloud Storage documentation): bytes that
it has are passed over, the question is answered, an unfinished session is no object.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

Step = Literal["begin", "chunk", "last", "status", "cancel", "whole", "download", "look", "list", "remove", "other"]
"""What a request is for: `begin` to `cancel` of a session; `whole` writes an object in one request."""

QUANTUM = 256 * 1024
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers with lower-case names, body."""


@dataclass(frozen=True)
class Refuse:
    """Answer with a status; nothing happens."""

    status: int


@dataclass(frozen=True)
class LoseAnswer:
    """Do what was asked and close the connection without a word."""


@dataclass(frozen=True)
class Cut:
    """Close the connection in the middle of the body, whichever way it goes."""


@dataclass(frozen=True)
class Spoil:
    """Change one byte of the body on its way."""


@dataclass(frozen=True)
class Hold:
    """Do what was asked, say so to the test, and answer when it allows it."""

    done: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


Fault = Refuse | LoseAnswer | Cut | Spoil | Hold


@dataclass
class _UploadSession:
    body: bytearray = field(default_factory=bytearray)
    answer: Answer | None = None


class GcsWire:
    """Use as `with`; `url` takes the place of the emulator's.

    Args:
        upstream: the emulator's URL.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._once: defaultdict[Step, deque[Fault]] = defaultdict(deque)
        self._always: dict[Step, Fault] = {}
        self._sessions: dict[str, _UploadSession] = {}
        wire = self

        class Handler(_Handler):
            pass

        Handler.wire = wire
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def once(self, step: Step, *faults: Fault) -> None:
        """The next requests for `step` meet these, one each."""
        self._once[step].extend(faults)

    def always(self, step: Step, fault: Fault) -> None:
        """Every request for `step` meets this."""
        self._always[step] = fault

    @property
    def waiting(self) -> list[Fault]:
        """Faults that no request has met."""
        return [fault for faults in self._once.values() for fault in faults]

    def fault(self, step: Step) -> Fault | None:
        """What the request at hand meets."""
        return self._once[step].popleft() if self._once[step] else self._always.get(step)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the emulator."""
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            given = {key.lower(): value for key, value in answer.getheaders()}
            return answer.status, given, answer.read()
        finally:
            connection.close()

    def renamed(self, answer: bytes) -> bytes:
        """The answer with our address in its links, so that downloads come this way too."""
        return answer.replace(self._upstream.encode(), urlsplit(self.url).netloc.encode())

    def begun(self, location: str) -> str:
        """Note a session that the emulator opened; returns where to send its chunks."""
        parts = urlsplit(location)
        self._sessions[parse_qs(parts.query)["upload_id"][0]] = _UploadSession()
        return f"{self.url}{parts.path}?{parts.query}"

    def take(self, path: str, span: str, body: bytes, *, whole: bool) -> Answer:
        """Bytes of a session; `whole` is False when they were cut off."""
        session = self._sessions.get(parse_qs(urlsplit(path).query)["upload_id"][0])
        if session is None:
            return 410, {}, b"gone"
        if session.answer:
            return session.answer
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", span)
        assert found, span
        start = int(found[1]) if found[1] else len(session.body)
        last = found[3] != "*"
        if start > len(session.body) or (whole and found[1] and not last and len(body) % QUANTUM):
            return 400, {}, f"bytes {span} after {len(session.body)}".encode()
        fresh = body[len(session.body) - start :]
        session.body += fresh if whole else fresh[: len(fresh) // QUANTUM * QUANTUM]
        if last and len(session.body) == int(found[3]):
            size = len(session.body)
            span = f"bytes 0-{size - 1}/{size}" if size else "bytes */0"
            session.answer = self.forward("PUT", path, {"Content-Range": span}, bytes(session.body))
            return session.answer
        return 308, {"range": f"bytes=0-{len(session.body) - 1}"} if session.body else {}, b""

    def forget(self, path: str) -> None:
        """End a session without an object."""
        self._sessions.pop(parse_qs(urlsplit(path).query)["upload_id"][0], None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: GcsWire

    def _serve(self) -> None:
        step, size = self._step(), int(self.headers.get("Content-Length") or 0)
        fault = self.wire.fault(step)
        body = self.rfile.read(size // 2 if isinstance(fault, Cut) else size)
        if isinstance(fault, Refuse):
            error = {"error": {"code": fault.status, "message": "as told", "errors": [{"message": "as told"}]}}
            self._answer(fault.status, {"content-type": "application/json"}, json.dumps(error).encode())
            return
        if isinstance(fault, Cut) and step == "whole":
            self._hang_up()
            return
        if isinstance(fault, Spoil):
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body
        status, headers, answer = self._do(step, body, whole=not isinstance(fault, Cut))
        if isinstance(fault, Hold):
            fault.done.set()
            fault.go_on.wait(30)
        if isinstance(fault, LoseAnswer) or (isinstance(fault, Cut) and step != "download"):
            self._hang_up()
        elif isinstance(fault, Cut):
            self._answer(status, headers, answer, cut=True)
        elif isinstance(fault, Spoil) and step == "download":
            middle = len(answer) // 2
            self._answer(status, headers, answer[:middle] + bytes([answer[middle] ^ 1]) + answer[middle + 1 :])
        else:
            self._answer(status, headers, answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815 - the base class's names

    def _step(self) -> Step:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if "upload_id" in query:
            if self.command == "DELETE":
                return "cancel"
            span = self.headers["Content-Range"]
            return "status" if span == "bytes */*" else "chunk" if span.endswith("/*") else "last"
        match self.command, query.get("uploadType"), query.get("alt"):
            case "POST", ["resumable"], _:
                return "begin"
            case "POST", ["multipart"], _:
                return "whole"
            case "GET", _, ["media"]:
                return "download"
            case "GET", _, _:
                return "list" if path.endswith("/o") else "look"
            case "DELETE", _, _:
                return "remove"
            case _:
                return "other"

    def _do(self, step: Step, body: bytes, *, whole: bool) -> Answer:
        if step in ("chunk", "last", "status"):
            return self.wire.take(self.path, self.headers["Content-Range"], body, whole=whole)
        if step == "cancel":
            self.wire.forget(self.path)
            return 499, {}, b""
        passed = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length", "connection")}
        status, headers, answer = self.wire.forward(self.command, self.path, passed, body)
        if step == "begin" and "location" in headers:
            headers["location"] = self.wire.begun(headers["location"])
        if step in ("list", "look"):
            answer = self.wire.renamed(answer)
        return status, headers, answer

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if key not in ("content-length", "transfer-encoding", "connection", "date"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""
