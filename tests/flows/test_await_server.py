"""How a flow run's pod begins: its command is started once Prefect's server answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAYS_HELLO = [sys.executable, "-c", "import sys; print('hello'); sys.exit(7)"]
PATIENCE = 120


class Starting(HTTPServer):
    """A server that is being restarted: as many requests as it was told get a 503, or no word at all."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.paths = list(answers), list[str]()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Starting

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        status = self.server.answers.pop(0)
        if status:
            self.send_response(status)
            self.end_headers()

    def log_message(self, *_: object) -> None: ...


def begin(url: str | None, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    if url is not None:
        environment["PREFECT_API_URL"] = url
    words = [sys.executable, "-m", "flows.await_server", *command]
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_the_command_is_started_when_the_server_answers_and_its_exit_code_is_the_pod_s() -> None:
    with Starting(503, 0, 200) as server:
        ended = begin(server.url, *SAYS_HELLO)
    assert (ended.stdout, ended.returncode) == ("hello\n", 7)
    assert server.paths == ["/api/health"] * 3
    assert ended.stderr == (f"waiting for Prefect's server: {server.url}/health: HTTP Error 503: Service Unavailable\n")


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_is_the_command_s_to_tell(status: int) -> None:
    with Starting(status) as server:
        ended = begin(server.url, *SAYS_HELLO)
    assert (ended.stdout, ended.stderr, server.answers) == ("hello\n", "", [])


@pytest.mark.parametrize("url", [None, "", "no address"])
def test_without_an_address_there_is_nothing_to_wait_for(url: str | None) -> None:
    ended = begin(url, *SAYS_HELLO)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("hello\n", "", 7)


def test_a_pod_that_waits_and_is_evicted_ends_at_once() -> None:
    with Starting(*[503] * PATIENCE) as server:
        words = [sys.executable, "-m", "flows.await_server", *SAYS_HELLO]
        environment = {**os.environ, "PREFECT_API_URL": server.url}
        with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as pod:
            assert pod.stderr is not None
            assert pod.stderr.readline().startswith("waiting for Prefect's server")
            pod.terminate()
            assert pod.wait(PATIENCE) == 143


def test_a_command_that_is_not_there_is_named() -> None:
    assert (
        begin(None, "no-such-command", "x").stderr == "no-such-command cannot be started: No such file or directory\n"
    )
    assert begin(None).stderr == "Which command? python -m flows.await_server prefect flow-run execute\n"
