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
_TICKS = os.sysconf("SC_CLK_TCK")
_YOUNG = 2.0
"""Seconds within which a process has its environment, if it gets one."""
_marks: dict[tuple[int, str], bytes] = {}
"""The environment of every process seen, by pid and start: it is read once."""


def marked(name: str, value: str) -> list[int]:
    """Pids of living processes whose environment has `name=value`."""
    return by_mark(name).get(value, [])


def by_mark(name: str) -> dict[str, list[int]]:
    """Pids of living processes that have the variable, by its value."""
    found: dict[str, list[int]] = {}
    begin = f"{name}=".encode()
    for pid, environ in _environments()[0].items():
        for variable in environ.split(b"\0"):
            if variable.startswith(begin):
                found.setdefault(variable[len(begin) :].decode(), []).append(pid)
    return found


def _environments() -> tuple[dict[int, bytes], bool]:
    """The environment of every process, and whether one of them has none yet since it is just being started."""
    found: dict[int, bytes] = {}
    beginning = False
    running = float(Path("/proc/uptime").read_text().split()[0])
    seen: set[tuple[int, str]] = set()
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            state, parent, start = _stat(pid)
            if state in "ZX":
                continue
            key = (pid, start)
            if (environ := _marks.get(key)) is None:
                environ = (_PROC / entry.name / "environ").read_bytes()
                # A child of this very process has its environment until it executes a program of its own.
                if environ and parent != os.getpid():
                    _marks[key] = environ
            beginning = beginning or (not environ and running - int(start) / _TICKS < _YOUNG)
            seen.add(key)
            found[pid] = environ
    for key in set(_marks) - seen:
        _marks.pop(key, None)
    return found, beginning


def _stat(pid: int) -> tuple[str, int, str]:
    """State, parent and time of start."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[1]), fields[19]


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
    wanted = f"{name}={value}".encode()
    for _ in range(200):
        environments, beginning = _environments()
        pids = [pid for pid, environ in environments.items() if wanted in environ.split(b"\0")]
        if not pids and not beginning:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
