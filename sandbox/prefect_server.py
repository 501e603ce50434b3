"""A Prefect server of our own on loopback, for the demo and for tests."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import httpx

_START_TIMEOUT = 120.0
"""Seconds; the first start migrates its SQLite file, which takes 10 to 20 s on two busy cores."""
_PR_SET_PDEATHSIG = 1


class PrefectServer:
    """One server with its files below `home`.

    It is stopped when the interpreter ends and not earlier: Prefect's client sends its last logs and events while
    the interpreter's threads end, and would wait in vain for a server that is gone.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._port = _free_port()

    @property
    def url(self) -> str:
        """Base URL of the UI."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def environment(self) -> dict[str, str]:
        """Settings that point a Prefect client at this server."""
        return {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_UI_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    def start(self) -> None:
        """Start the process; `wait` says when it serves, and the end of this interpreter ends it."""
        atexit.register(self.stop)
        self.home.mkdir(parents=True, exist_ok=True)
        self._log = (self.home / "server.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and a fixed command
            [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app",
             "--host", "127.0.0.1", "--port", str(self._port), "--log-level", "warning"],
            env={**os.environ, **self.environment(), "PREFECT_SERVER_LOGGING_LEVEL": "WARNING"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call, no locks, and no orphan when we are killed
        )  # fmt: skip

    def wait(self) -> None:
        """Return when the server answers. Raises RuntimeError with its log when it does not come up."""
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/api/health", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        log = (self.home / "server.log").read_text()[-2000:]
        raise RuntimeError(f"the Prefect server did not start; its log:\n{log}")

    def stop(self) -> None:
        """End the process and wait for it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
