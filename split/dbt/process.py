"""The other end of `split.dbt.worker`: one dbt process for all builds of a comparison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any


class DbtEnded(RuntimeError):
    """The process that runs dbt ended in the middle of a request. The message holds the end of what it printed."""


class DbtProcess:
    """Runs dbt in a process of its own. Use as a context manager."""

    def __init__(self, home: Path) -> None:
        self._log = (home / "dbt.log").open("w+", encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DBT_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "split.dbt.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env={**environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )

    def __enter__(self) -> DbtProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer. Raises DbtEnded."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._log.seek(0)
            raise DbtEnded(f"dbt ended without an answer: {self._log.read()[-2000:]}")
        return json.loads(answer)
