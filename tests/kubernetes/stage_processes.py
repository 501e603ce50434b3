"""Processes of the stage: each with its log in a folder, none outliving the tests."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 20.0
T = TypeVar("T")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what: str, look: Callable[[], T | None], seconds: float, every: float = 0.2) -> T:
    """Look until there is something. Raises TimeoutError, which names what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise TimeoutError(f"after {seconds:.0f} s still no {what}")


class Process:
    """One process that can be started again after its end.

    Args:
        name: what it is; the log is `<folder>/<name>.log`, in which later starts go on.
        command: words of the command line.
        environment: the whole environment.
        user: who runs it; None for the present user.
        stop_with: the signal that asks it to end.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path,
        *, user: int | None = None, stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:  # fmt: skip
        self.name = name
        self.command = [str(word) for word in command]
        self.environment = dict(environment)
        self.log = folder / f"{name}.log"
        self._user = user
        self._stop_with = stop_with
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its id while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """True from its start to its end."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it. It gets SIGTERM when we die."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user is not None else None,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call, no locks
            )

    def wait_until(self, serves: Callable[[], bool], seconds: float) -> None:
        """Return when it serves. Raises RuntimeError with the log's end when it does not come up."""

        def look() -> bool:
            if not self.running:
                raise RuntimeError(
                    f"{self.name} ended with {self._process and self._process.returncode}:\n{self.tail()}"
                )
            return serves()

        try:
            wait_for(f"answer from {self.name}", look, seconds)
        except TimeoutError as error:
            raise RuntimeError(f"{error}:\n{self.tail()}") from None

    def finish(self, seconds: float) -> None:
        """Wait for its end. Raises RuntimeError with the log's end when it failed."""
        assert self._process is not None
        if self._process.wait(seconds):
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{self.tail()}")

    def tail(self, characters: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def stop(self) -> None:
        """Ask it to end, and wait; kill it when it does not."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_with)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL: it dies without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def run(command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path, seconds: float = 120) -> str:
    """Run a command to its end and return what it printed. Raises RuntimeError with that when it fails."""
    done = subprocess.run(
        [str(word) for word in command], env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def plain_environment() -> dict[str, str]:
    """Our environment without settings of Prefect and of the flows, which a machine of its own would not have."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "MGDW_", "DBT_", "PYTEST_"))}
    return {**kept, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "PYTHONUNBUFFERED": "1"}
