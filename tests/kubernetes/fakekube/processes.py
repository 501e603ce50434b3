"""The processes of pods, found by a mark in their environment wherever they have put themselves.

A process group does not do: Prefect starts its engine in a group of its own, which would outlive its pod.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

POD = "FAKEKUBE_POD_UID"
CONTAINER = "FAKEKUBE_CONTAINER_ID"
CLUSTER = "FAKEKUBE_CLUSTER"
"""The folder of the cluster a process belongs to."""

_PROC = Path("/proc")
_marks: dict[tuple[int, str], bytes] = {}
"""The environment of every process seen, by pid and start: it is read once."""


def marked(name: str, value: str) -> list[int]:
    """Pids of living processes whose environment has `name=value`."""
    wanted = f"{name}={value}".encode()
    return [pid for pid, environ in _environments().items() if wanted in environ.split(b"\0")]


def _environments() -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    seen: set[tuple[int, str]] = set()
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            state, start = _state_and_start(pid)
            if state in "ZX":
                continue
            key = (pid, start)
            environ = _marks.get(key)
            # Between fork and exec a process still has its parent's environment.
            if environ is None or b"FAKEKUBE" not in environ:
                environ = (_PROC / entry.name / "environ").read_bytes()
            _marks[key] = environ
            seen.add(key)
            found[pid] = environ
    for key in set(_marks) - seen:
        del _marks[key]
    return found


def _state_and_start(pid: int) -> tuple[str, str]:
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return fields[0], fields[19]


def memory(pids: list[int]) -> int:
    """Bytes of anonymous and shared memory: what a cgroup would charge them with, but for page cache."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in (_PROC / str(pid) / "status").read_text().splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
    return total


def kill(name: str, value: str) -> None:
    """SIGKILL to every process with the mark, also to those they start meanwhile."""
    for _ in range(100):
        pids = marked(name, value)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
