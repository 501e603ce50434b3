"""One run of a container: a process of this machine with its log, its end and its end's reason."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kubernetes.fakekube import processes
from tests.kubernetes.fakekube.store import stamp

_CHUNK = 65_536


@dataclass(frozen=True)
class Command:
    """What to start: words, folder and environment, all in terms of this machine."""

    words: list[str]
    folder: Path
    environment: dict[str, str]


@dataclass
class Log:
    """What a container wrote, in a file; readers are woken when it grows or ends."""

    path: Path
    ended: bool = False
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def fill(self, process: subprocess.Popen[bytes]) -> None:
        """Until the last process that writes to it has ended."""
        stream = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(stream)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, process.stdout)
        with self.path.open("ab", buffering=0) as file:
            while chunk := await stream.read(_CHUNK):
                file.write(chunk)
                await self._tell()
        transport.close()
        self.ended = True
        await self._tell()

    async def _tell(self) -> None:
        async with self.grown:
            self.grown.notify_all()

    async def follow(self, position: int) -> AsyncIterator[bytes]:
        """What comes after `position`, until the container has ended."""
        while True:
            ended = self.ended
            chunk = await asyncio.to_thread(self._read, position)
            position += len(chunk)
            if chunk:
                yield chunk
            elif ended:
                return
            else:
                async with self.grown:
                    if not self.ended and self.path.stat().st_size == position:
                        await self.grown.wait()

    def _read(self, position: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(position)
            return file.read()


class Run:
    """A process that was started for a container. `state` is its entry in the pod's status."""

    def __init__(self, identity: str, log: Log) -> None:
        self.identity = identity
        self.log = log
        self.state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        self.out_of_memory = False
        self._started = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return "running" in self.state

    async def start(self, command: Command) -> None:
        """Start it; a program that cannot be started leaves the state a runtime would report (exit code 128)."""
        self._started = stamp()
        environment = {**command.environment, processes.CONTAINER: self.identity}
        try:
            self._process = subprocess.Popen(
                command.words, cwd=command.folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            self.log.ended = True
            message = (
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
                f'failed: unable to start container process: exec: "{command.words[0]}": {error.strerror}'
            )
            self._end(128, "StartError", message)
            return
        self.state = {"running": {"startedAt": self._started}}

    async def wait(self) -> None:
        """Until it has ended, together with every process it has started, as with a PID namespace."""
        if self._process is None:
            return
        filling = asyncio.create_task(self.log.fill(self._process))
        code = await _exit_code(self._process)
        await asyncio.to_thread(processes.kill, processes.CONTAINER, self.identity)
        await filling
        exit_code = 128 - code if code < 0 else code
        if self.out_of_memory:
            self._end(137, "OOMKilled")
        else:
            self._end(exit_code, "Completed" if exit_code == 0 else "Error")

    def terminate(self) -> None:
        """SIGTERM to the first process alone, as PID 1 gets it: one without a handler for it does not notice."""
        if self._process is not None and self.running and _catches(self._process.pid, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        processes.kill(processes.CONTAINER, self.identity)

    def end_by_memory(self) -> None:
        """As the kernel does with a container above its limit."""
        self.out_of_memory = True
        self.kill()

    def _end(self, code: int, reason: str, message: str = "") -> None:
        self.state = {
            "terminated": {
                "exitCode": code,
                "reason": reason,
                **({"message": message} if message else {}),
                "startedAt": self._started,
                "finishedAt": stamp(),
                "containerID": f"fakekube://{self.identity}",
            }
        }


async def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """What the process itself ends with, while others may still hold its output open: asyncio's own `wait` waits for
    those, too."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    watched = os.pidfd_open(process.pid)
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
    return process.wait()


def _catches(pid: int, number: signal.Signals) -> bool:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
