"""How a step of a flow fails: what broke, why, what to do, and what was not done because of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from connectors.errors import MgdwError

_LONGEST_LIST = 12
"""Names told in one message before the rest is counted."""


@dataclass(frozen=True)
class Failure:
    """One thing that broke.

    Attributes:
        step: the flow, `salesforce` or `dbt-ods`.
        what: the table, model or data source; empty when the whole step broke.
        cause: one line.
        remedy: what a person should do.
    """

    step: str
    what: str
    cause: str
    remedy: str

    @property
    def text(self) -> str:
        """The cause, beginning with what broke."""
        return self.cause if not self.what or self.cause.startswith(self.what) else f"{self.what}: {self.cause}"

    @classmethod
    def of(cls, step: str, what: str, error: BaseException) -> Failure:
        """Describe an exception. Anything but an MgdwError is a bug or an outside library's error: name its type."""
        if isinstance(error, MgdwError):
            return cls(step, what, error.cause, error.remedy)
        text = " ".join(str(error).split())
        return cls(step, what, f"{type(error).__name__}: {text[:300]}", MgdwError.default_remedy)


class StepFailed(MgdwError):
    """A flow did what it could, and some of it broke. Carries every failure and what was skipped because of them."""

    def __init__(self, step: str, failures: Iterable[Failure], skipped: Iterable[str] = ()) -> None:
        self.step = step
        self.failures = tuple(failures)
        self.skipped = tuple(skipped)
        first = self.failures[0]
        others = len(self.failures) - 1
        more = f" (and {others} more)" if others else ""
        prefix = "" if first.step == step else f"{first.step}: "
        super().__init__(f"{step} failed: {prefix}{first.text}{more}", remedy=first.remedy)

    def __str__(self) -> str:
        """The whole story in plain lines. It becomes the message of the run's state: the UI shows it, and the server's
        automation, which knows nothing else of the run, tells it to Slack."""
        lines = [f"{self.step} failed"]
        for one, whats in told_once(self.failures).items():
            names = f" ({listed(whats)})" if whats else ""
            lines += [f"{one.step}{names}: {one.cause.splitlines()[0]}", f"  What to do: {one.remedy}"]
        if self.skipped:
            lines.append(f"Skipped because of it: {listed(self.skipped)}")
        return "\n".join(lines)


def told_once(failures: Iterable[Failure]) -> dict[Failure, list[str]]:
    """Failures with the same step, cause and remedy as one (its `what` empty), with all they concern."""
    told: dict[Failure, list[str]] = {}
    for failure in failures:
        whats = told.setdefault(replace(failure, what=""), [])
        if failure.what and failure.what not in whats:
            whats.append(failure.what)
    return told


def listed(names: Sequence[str], mark: str = "") -> str:
    """The names with commas, each between marks; of a long list the first twelve, and how many more there are."""
    shown = ", ".join(f"{mark}{name}{mark}" for name in names[:_LONGEST_LIST])
    rest = len(names) - _LONGEST_LIST
    return f"{shown} and {rest} more" if rest > 0 else shown


def flatten(error: BaseException) -> list[BaseException]:
    """The leaves of an exception group; the error itself when it is none."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in flatten(inner)]
    return [error]
