"""What Google's storage client raises, as errors that name the bucket, the role and the setting."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
)

ROLE = "roles/storage.objectUser"
"""What the account that runs the flows needs on the lake's bucket: read, list, create, and replace notes."""


@contextlib.contextmanager
def explained(bucket: str, what: str) -> Generator[None]:
    """Turn what Google's client raises in the block into an error of this program.

    Args:
        what: the object or listing concerned, for the error text.

    Raises:
        google.api_core.exceptions.PreconditionFailed: as it came, since only the caller knows what was meant by it.
    """
    try:
        yield
    except api.PreconditionFailed:
        raise
    except (
        api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError,
        requests.RequestException, ConnectionError, DataCorruption, InvalidResponse,
    ) as error:  # fmt: skip
        raise explain(error, bucket, what) from error


def explain(error: Exception, bucket: str, what: str) -> MgdwError:
    """The error of this program for one of Google's client."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        return explain(error.cause, bucket, what)
    if isinstance(error, InvalidResponse):
        return explain(answered(error.response.status_code, error.response.text), bucket, what)
    facts: dict[str, Any] = {"bucket": bucket, "object": what}
    said = _said(error)
    match error:
        case api.Unauthorized() | auth.DefaultCredentialsError() | auth.RefreshError():
            return CredentialsRefused(
                f"Google refuses the login for {what}: {said}",
                remedy="On a laptop run `gcloud auth application-default login`; in Kubernetes check that the pod's "
                "service account is bound to a Google service account (Workload Identity).",
                **facts,
            )
        case api.Forbidden():
            return PermissionMissing(
                f"Cloud Storage forbids {what}: {said}",
                remedy=f"Grant {ROLE} on the bucket {bucket} to the account that runs the flows.",
                **facts,
            )
        case api.NotFound():
            return ConfigurationError(
                f"Cloud Storage does not find {what}: {said}",
                remedy=f"Create the bucket {bucket} (deployments/gcp does), or set MGDW_LAKE to the one that is there.",
                **facts,
            )
        case api.TooManyRequests():
            return RateLimited(f"Cloud Storage asks to slow down at {what}: {said}", **facts)
        case api.ClientError() if error.code != 408:
            return ConfigurationError(f"Cloud Storage refuses {what}: {said}", **facts)
        case DataCorruption():
            return SourceUnavailable(f"{what} did not arrive as it was sent (its checksum differs)", **facts)
        case _:
            return SourceUnavailable(f"no answer from Cloud Storage for {what}: {said}", **facts)


def answered(status: int, body: str) -> api.GoogleAPICallError:
    """Google's error for an answer that did not come through its API layer."""
    return api.from_http_status(status, "", errors=[{"message": _message(body)}])


def bucket_is_missing(error: api.NotFound) -> bool:
    """Whether the answer means the bucket rather than the object."""
    return "bucket does not exist" in str(error)


def _said(error: Exception) -> str:
    """The first line of what the other side says, without the address it was asked at."""
    if not isinstance(error, api.GoogleAPICallError):
        return type(error).__name__
    detail: list[dict[str, str]] = [e for e in error.errors if isinstance(e, dict)]
    body = getattr(error.response, "text", "")  # an upload's error has its answer and no details
    text = detail[0].get("message", "") if detail else _message(body)
    return f"{error.code} {text.strip()[:300] or type(error).__name__}".splitlines()[0]


def _message(body: str) -> str:
    """The message in the body of an error; the body itself where it is a text, as from the upload service."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body


__all__ = ["ROLE", "answered", "bucket_is_missing", "explain", "explained"]
