"""Every error this program raises, grouped by what the reader should do about it.

    MgdwError
    ├── RetryableError            wait and run again; the program already retried
    │   ├── SourceUnavailable       no answer, 5xx, connection lost
    │   ├── RateLimited             429 and its relatives
    │   ├── TruncatedBody           a body that ended early
    │   ├── WarehouseBusy           another process holds the warehouse file
    │   └── LeaseHeld               another run does the same work now
    ├── ConfigurationError        fix a setting, a permission or a file, then run again
    │   ├── CredentialsRefused      wrong secret, unknown client, revoked certificate
    │   ├── PermissionMissing       the login works, the object or field is hidden from it
    │   ├── UnknownObject           the contract names an object the source lacks
    │   ├── UnknownField            the contract names a field the source lacks
    │   ├── ContractError           a contract file is wrong; lists every problem
    │   ├── SettingMissing          a required setting or secret is not there
    │   └── StorageFull             no room where the lake or the warehouse lives
    ├── DataError                 the data is wrong; nothing was loaded from it
    │   ├── CountMismatch           the source counted other rows than were parsed
    │   ├── UnreadableFile          a body or file that is not what it says it is
    │   ├── TypeChanged             the source changed a field's type
    │   ├── TooManyMisfits          more rows do not fit the contract than single bad rows explain
    │   └── MassDeletion            a batch would delete more rows than is believable
    ├── LeaseLost                 this run was taken for dead, and another one does its work
    ├── WorkFailed                a job that ran elsewhere (bulk query, dbt, extract refresh) failed
    └── InternalError             a bug in this program: please report

An error carries its facts as attributes, says what to do (`remedy`), and never carries a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar


class MgdwError(Exception):
    """Base of all errors. `str(error)` is the cause in a line and the remedy in the next.

    Args:
        cause: what happened, in one line, naming the file, table or field.
        remedy: what the reader should do; defaults to the class's own advice.
        facts: named values for logs, artifacts and tests, never secret.
    """

    default_remedy: ClassVar[str] = "Run again; if it happens again, report it with the run's log."

    def __init__(self, cause: str, *, remedy: str | None = None, **facts: object) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy or self.default_remedy
        self.facts = facts

    def __reduce__(self) -> tuple[Callable[..., MgdwError], tuple[object, ...], dict[str, object]]:
        """Pickled as it is, for the run that waits for this one: called anew, a constructor would ask for its parts."""
        return _restored, (type(self), *self.args), self.__dict__

    def __str__(self) -> str:
        return f"{self.cause}\n  What to do: {self.remedy}"


class RetryableError(MgdwError):
    """It may work later without anyone changing anything."""

    default_remedy = "Run the flow again later: what was loaded stays, what was not is loaded then."

    def __init__(
        self, cause: str, *, remedy: str | None = None, retry_after: float | None = None, **facts: object
    ) -> None:
        super().__init__(cause, remedy=remedy, **facts)
        self.retry_after = retry_after
        """Seconds the other side asked us to wait, if it did."""


class SourceUnavailable(RetryableError):
    """No answer, a 5xx, or a connection that broke."""


class RateLimited(RetryableError):
    """The other side asks us to slow down, or a quota is used up."""


class TruncatedBody(RetryableError):
    """A body ended before its announced or counted end."""


class WarehouseBusy(RetryableError):
    """Another process holds the warehouse file."""


class LeaseHeld(RetryableError):
    """Another run holds the lease of this work, and is alive."""

    default_remedy = "Wait until the other run has ended, or cancel it, then run again."


class ConfigurationError(MgdwError):
    """Someone has to change a setting, a permission or a file."""

    default_remedy = "Fix the setting named above and run again."


class CredentialsRefused(ConfigurationError):
    """The source refused the login."""

    default_remedy = "Check the client id and the secret in the settings, and that they are still valid at the source."


class PermissionMissing(ConfigurationError):
    """The login works but may not see this object or field."""

    default_remedy = "Grant the integration user read access to the object and the field."


class UnknownObject(ConfigurationError):
    """The contract names an object or table that the source does not have."""

    default_remedy = "Correct `object` in the contract file, or enable the feature at the source."


class UnknownField(ConfigurationError):
    """The contract names a field that the source does not have, or hides from this user."""

    default_remedy = "Correct or remove the column in the contract file, or grant the integration user the field."


class ContractError(ConfigurationError):
    """One or more contract files are wrong. `problems` lists all of them as `file:line: text`."""

    default_remedy = "Correct the lines named above; `mgdw contract check` reads the files again."

    def __init__(self, problems: list[str]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"{count} in the contract:\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = problems


class SettingMissing(ConfigurationError):
    """A required setting or secret is absent."""

    default_remedy = "Set the environment variable or create the secret named above."


class StorageFull(ConfigurationError):
    """No room, or no permission to write, where the lake or the warehouse lives."""

    default_remedy = (
        "Free space (or grant write access) at the path named above and run again; nothing half-written counts."
    )


class DataError(MgdwError):
    """The data is not what it should be. Nothing of the batch was loaded."""

    default_remedy = "Look at the batch in the lake; run again to extract it anew."


class CountMismatch(DataError):
    """The source's own count differs from the rows received."""


class UnreadableFile(DataError):
    """A file or body is not what it claims to be: broken gzip, ragged CSV, wrong header."""


class TypeChanged(DataError):
    """A source field changed its type in a way the contract does not allow."""


class TooManyMisfits(DataError):
    """So many rows of a batch do not fit the contract that the contract, or the source, must have changed."""

    default_remedy = (
        "Nothing was loaded and nothing is in quarantine. Correct the type or the rule in the contract and run again."
    )


class MassDeletion(DataError):
    """A batch would make tombstones of more rows than is believable."""

    default_remedy = "Nothing was loaded. Check that the source still shows all rows to the integration user."


class LeaseLost(MgdwError):
    """This run's lease ran out (it was paused, or cut off), and another run has taken it over. Nothing more is done."""

    default_remedy = "Look at the run that took over: it does the work. Run this one again only if that one failed."


class WorkFailed(MgdwError):
    """A job that another system ran for us ended badly."""


class InternalError(MgdwError):
    """A bug in this program."""

    default_remedy = "Please report this with the run's log."


def _restored(of: type[MgdwError], *args: object) -> MgdwError:
    return of.__new__(of, *args)
