"""Google's SQL analyzer and reference evaluator, asked from a test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

SERVER = Path(__file__).with_name("server.py")


class Refused(Exception):
    """BigQuery would refuse the statement; the message says why and where."""


class GoogleSql:
    """One process that answers; a context manager, which ends the process."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def table(self, name: str, columns: Iterable[tuple[str, str]]) -> None:
        """Make the table `project.dataset.name` known, with its columns' names and BigQuery types."""
        self._ask(do="table", name=name, columns=list(columns))

    def forget(self, name: str) -> None:
        """Drop the table from the catalog."""
        self._ask(do="table", name=name, columns=None)

    def analyze(self, sql: str, **parameters: str) -> list[tuple[str, str]]:
        """Names and types of the columns of the last query in the statement or script; raises `Refused`.

        `parameters` are the types of the query parameters. What a CREATE makes is known afterwards.
        """
        return [(name, type_) for name, type_ in self._ask(do="analyze", sql=sql, parameters=parameters)["columns"]]

    def kinds(self, sql: str, **parameters: str) -> list[str]:
        """What the statements of the script are, as the analyzer calls them; raises `Refused`."""
        return self._ask(do="analyze", sql=sql, parameters=parameters)["kinds"]

    def fill(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Give a known table its rows, in the form told in `values.py`."""
        self._ask(do="fill", name=name, rows=list(rows))

    def evaluate(self, sql: str, keep: str | None = None) -> list[list[Any]]:
        """The rows that Google's reference implementation answers, in the form told in `values.py`; raises `Refused`.

        Tables are written `project`.`dataset`.`name` and have been filled. `keep` is the table that the answer becomes.
        """
        return self._ask(do="evaluate", sql=sql, keep=keep)

    def _ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the analyzer ended with exit code {self._process.wait()}")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise Refused(answer["error"])
        return answer
