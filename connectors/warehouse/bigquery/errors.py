"""Google's errors in the program's own terms: what to grant, raise, correct or wait for."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Mapping
from typing import Any

import requests
from google.api_core import exceptions as google
from google.auth import exceptions as auth

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    InternalError,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    StorageFull,
    UnknownObject,
)

_PERMISSION = re.compile(r"(?P<permission>(?:bigquery|storage)\.[a-z]+\.[a-zA-Z]+)")
_PRINCIPAL = re.compile(r"(?P<principal>[\w.+-]+@[\w.-]+\.\w+)")
_ROLES = {
    "bigquery.jobs.create": "roles/bigquery.jobUser",
    "bigquery.datasets.create": "roles/bigquery.user",
    "bigquery.readsessions.create": "roles/bigquery.readSessionUser",
    "storage.objects.create": "roles/storage.objectUser",
    "storage.objects.get": "roles/storage.objectUser",
}
_CONFLICT = re.compile(r"concurrent update|could not serialize access|transaction conflict", re.IGNORECASE)
_PASSING = {
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "rateLimitExceeded",
    "tableUnavailable",
}
_BILLED = re.compile(r"limit for bytes billed: (?P<cap>\d+)\.?\s*(?P<needed>\d+)?", re.IGNORECASE)
_AWAY = (
    google.ServerError,
    google.TooManyRequests,
    google.RetryError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    auth.TransportError,
    TimeoutError,
)
"""What is raised when the server, or the way to it, is away: whether a request arrived is unknown."""


def is_conflict(error: BaseException) -> bool:
    """True when another transaction changed one of the same tables meanwhile: BigQuery aborted this one."""
    return isinstance(error, google.GoogleAPICallError) and bool(_CONFLICT.search(error.message or ""))


def is_passing(error: BaseException) -> bool:
    """True for a job that failed for a reason that passes: it may be run again under the next id."""
    return isinstance(error, google.ServerError) or bool(reasons(error) & _PASSING)


def is_away(error: BaseException) -> bool:
    """True when no answer came: what was asked may have been accepted."""
    return isinstance(error, _AWAY)


def reasons(error: BaseException) -> set[str]:
    """BigQuery's words for what is wrong (`accessDenied`, `quotaExceeded`), as far as the answer has them."""
    if not isinstance(error, google.GoogleAPICallError):
        return set()
    listed: list[Mapping[str, Any]] = [e for e in error.errors if isinstance(e, Mapping)]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    found = {str(e["reason"]) for e in listed if e.get("reason")}
    return found | set(re.findall(r"reason: (\w+)", error.message or ""))


@contextlib.contextmanager
def explained(what: str) -> Generator[None]:
    """Turn what Google's clients raise into one clear error about `what` ("STG.sfdc_account")."""
    try:
        yield
    except MgdwError:
        raise
    except Exception as error:
        if (clear := _clear(what, error)) is None:
            raise
        raise clear from error


def _clear(what: str, error: Exception) -> MgdwError | None:
    said = _first_line(error)
    found = reasons(error)
    match error:
        case auth.DefaultCredentialsError():
            return ConfigurationError(
                "there are no Google credentials",
                remedy="On a laptop run `gcloud auth application-default login`; on Kubernetes bind the service "
                "account (Workload Identity), or name a credentials block in MGDW_GCP_CREDENTIALS_BLOCK.",
            )
        case auth.TransportError():
            return _unavailable(what, said)
        case auth.GoogleAuthError():
            return CredentialsRefused(f"Google refused the credentials: {said}")
        case google.Forbidden() if found & {"quotaExceeded"} or "quota" in said.lower():
            return RateLimited(
                f"{what}: a BigQuery quota is used up: {said}",
                remedy="Nothing of this batch was loaded. Run again later, or ask for more under IAM & Admin > Quotas.",
            )
        case google.Forbidden() if found & {"rateLimitExceeded"}:
            return RateLimited(f"{what}: BigQuery asks to slow down: {said}")
        case google.Forbidden() if found & {"billingNotEnabled"} or "billing" in said.lower():
            return ConfigurationError(
                f"{what}: {said}",
                remedy="Link a billing account to the project: load and DML jobs need one.",
            )
        case google.Unauthorized():
            return CredentialsRefused(f"Google refused the credentials: {said}")
        case google.Forbidden():
            return _forbidden(what, said)
        case google.NotFound():
            return _not_found(what, said)
        case google.BadRequest() if billed := _BILLED.search(said):
            return ConfigurationError(
                f"{what}: the query would bill more than the cap of {int(billed['cap']):,} bytes: {said}",
                remedy="Nothing was changed. If so much has to be read indeed, raise MGDW_MAXIMUM_BYTES_BILLED.",
            )
        case google.BadRequest() if is_conflict(error):
            return None
        case google.GoogleAPICallError() if "resourcesExceeded" in found:
            return StorageFull(
                f"{what}: BigQuery had not enough room for the query: {said}",
                remedy="Load a smaller window (`mgdw backfill` by month).",
            )
        case _ if is_away(error):
            return _unavailable(what, said)
        case google.GoogleAPICallError():
            return InternalError(f"{what}: BigQuery refused a statement: {said}")
        case _:
            return None


def _unavailable(what: str, said: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{what}: Google Cloud gives no answer: {said}",
        remedy="Run again: a job that was accepted is found by its id, nothing is loaded twice.",
    )


def _forbidden(what: str, said: str) -> PermissionMissing:
    permission = _PERMISSION.search(said)
    principal = _PRINCIPAL.search(said)
    lacks = permission["permission"] if permission else None
    role = _ROLES.get(lacks or "", "roles/bigquery.dataEditor")
    who = principal["principal"] if principal else "the service account of this program"
    return PermissionMissing(
        f"{what}: access denied: {said}",
        remedy=f"Grant {who} the role {role} (deployments/gcp grants what is needed); `mgdw doctor` checks all of it.",
        permission=lacks, role=role, principal=principal["principal"] if principal else None,
    )  # fmt: skip


def _not_found(what: str, said: str) -> ConfigurationError:
    location = re.search(r"was not found in location ([\w-]+)", said)
    if location:
        return ConfigurationError(
            f"{what}: {said}",
            remedy=f"The dataset lies in another location than {location[1]}: set MGDW_GCP_LOCATION to where it is.",
        )
    return UnknownObject(
        f"{what}: {said}",
        remedy="Check MGDW_GCP_PROJECT and MGDW_STG_DATASET, and that the datasets of deployments/gcp exist.",
    )


def _first_line(error: BaseException) -> str:
    message = error.message if isinstance(error, google.GoogleAPICallError) else str(error)
    first = (message or type(error).__name__).strip().splitlines()[0]
    return re.sub(r"^(?:POST|GET|PUT|PATCH|DELETE) \S+: ", "", first)[:500]
