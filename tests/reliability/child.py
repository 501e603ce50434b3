"""Runs that may die: a warm process forks one for each order, so that a real SIGKILL costs no imports.

Speaks lines with its parent: an order comes in, the child's pid goes out; `go` lets it start, and its end goes out.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.reliability.effects import CrashError, Effects
from tests.reliability.run import Order, run

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED = -9


class Nursery:
    """The warm process. Use as `with Nursery() as nursery`."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.child"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def run(self, order: Order, born: Callable[[int], None]) -> int:
        """Carry out an order in a forked process.

        Args:
            born: told the process id before the run starts.

        Returns:
            Its exit status; KILLED when SIGKILL ended it, 0 when every table was loaded.
        """
        self._say(order.to_json())
        born(int(self._hear()))
        self._say("go")
        return int(self._hear())

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks runs has ended")
        return line


def main() -> None:
    """Fork a process for each order, until there are no more."""
    for line in iter(sys.stdin.readline, ""):
        go, start = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(start)
            os.read(go, 1)
            _child(Order.from_json(line))
        os.close(go)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(start, b"g")
        os.close(start)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(order: Order) -> None:
    code = 1
    try:
        ran = asyncio.run(run(order.job, Effects(order.step)))
        if ran.failures:
            print(json.dumps(ran.failures), file=sys.stderr)
        code = 2 if ran.failures else 0
    except CrashError:
        code = 3
    except BaseException as error:  # noqa: BLE001 - the forked process ends here, whatever happened
        print(repr(error), file=sys.stderr)
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
