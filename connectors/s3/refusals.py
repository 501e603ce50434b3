"""What S3's answers mean, as errors of this program (S3 API Reference, "Error responses")."""

from __future__ import annotations

import re

from obstore.exceptions import InvalidPathError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    UnknownObject,
)

_CODE = re.compile(r"<Code>(\w[\w.]*)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_PATH = re.compile(r'(?:Path|path) "([^"]*)"')
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
_GONE = {"NoSuchKey", "NoSuchVersion", "PreconditionFailed"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_SLOWER = {"SlowDown", "RequestLimitExceeded", "TooManyRequests", "429"}
_KMS = re.compile(r"kms:|KMS\.|KMSAccess|KMSKey|AWS KMS", re.IGNORECASE)


def is_changed(error: Exception) -> bool:
    """Whether S3 says that the object is gone, or is not the one asked for any more.

    After a connection that broke in the middle, obstore wraps that answer as a generic error.
    """
    if isinstance(error, (FileNotFoundError, PreconditionError)):
        return True
    return _first(_STATUS, str(error)) == "412" or _first(_CODE, str(error)) in _GONE


def explained(
    error: Exception, bucket: str, what: str, *, key: str | None = None, target: str | None = None
) -> MgdwError:
    """The error to raise for one of obstore's. Use `raise explained(...) from None`.

    The answer's own text is left out: after a wrong signature S3 repeats the request's headers, token included.

    Args:
        what: the operation and its object, for the text: `list cm/usage/`.
        key: the object that was read or is to be archived; None for a listing.
        target: where it was to be copied.
    """
    text = str(error)
    code = _first(_CODE, text)
    status = _first(_STATUS, text)
    reason = code or (f"HTTP {status}" if status else "no answer")
    if isinstance(error, InvalidPathError):
        reason = f"it holds {_first(_PATH, text)!r}"
    kind, remedy = _meaning(error, code, status)
    if kind is PermissionMissing:
        remedy = _grants(text, bucket, what, key, target)
    cause = f"S3 could not {what} in bucket {bucket!r} ({reason})"
    return kind(cause, remedy=remedy, bucket=bucket, key=key, code=code, status=int(status) if status else None)


def _meaning(error: Exception, code: str | None, status: str | None) -> tuple[type[MgdwError], str | None]:
    if isinstance(error, InvalidPathError):
        return ConfigurationError, (
            "Have the key renamed or moved out of the prefix: empty folder names (`//`), `.`, `..` and control "
            "characters in a key are not read."
        )
    if code in _REFUSED or (isinstance(error, UnauthenticatedError) and not code):
        keys = "MGDW_S3_ACCESS_KEY_ID and MGDW_S3_SECRET_ACCESS_KEY"
        return CredentialsRefused, f"Check {keys} (or the AwsCredentials block), and that the key is still active."
    if code in _ELSEWHERE or "redirect without LOCATION" in str(error):
        return ConfigurationError, "Set MGDW_S3_REGION to the bucket's region."
    if code == "RequestTimeTooSkewed":
        return ConfigurationError, "Set this machine's clock: it is more than 15 minutes off."
    if code == "InvalidObjectState":
        return ConfigurationError, "The file is archived: restore it, or move it out of the prefix."
    if code == "NoSuchBucket":
        return UnknownObject, "Correct MGDW_S3_BUCKET, or MGDW_S3_ENDPOINT_URL if it is set."
    if isinstance(error, PermissionDeniedError) or status == "403":
        return PermissionMissing, None
    if code in _SLOWER or status == "429":
        return RateLimited, None
    return SourceUnavailable, "Check that S3 (MGDW_S3_ENDPOINT_URL, if set) is reachable from here, then run again."


def _grants(text: str, bucket: str, what: str, key: str | None, target: str | None) -> str:
    if target is not None:
        return f"Grant the key s3:PutObject on {bucket}/{target.rpartition('/')[0]}/*. The load is not concerned."
    if what.startswith("delete"):
        return f"Grant the key s3:DeleteObject on {bucket}/*. The load is not concerned."
    if _KMS.search(text):
        return (
            f"Grant the key kms:Decrypt on the customer key that {bucket} is encrypted with, in the key's own policy."
        )
    payer = "If the bucket is requester-pays, set MGDW_S3_REQUESTER_PAYS=true."
    if key is None:
        return f"Grant the key s3:ListBucket on {bucket} (the bucket itself, not {bucket}/*). {payer}"
    return (
        f"Grant the key s3:GetObject on {bucket}/*; also kms:Decrypt if the files have a customer key, and have the "
        f"owner take over objects that a third account wrote (bucket owner enforced). {payer} Without s3:ListBucket S3 "
        "says the same of a file that is gone."
    )


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
