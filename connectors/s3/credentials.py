"""Who reads the bucket: keys of the settings, or a role in the owner's account that is taken on with them."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

from connectors.errors import CredentialsRefused, MgdwError, SettingMissing, SourceUnavailable
from connectors.s3.settings import S3Settings

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3CredentialProvider

_SESSION = "mg-dw"
"""Name of our sessions in the owner's CloudTrail."""
_REFUSED = {"AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException"}

_LATER = {"Throttling", "InternalFailure", "ServiceUnavailable", "500", "502", "503", "504"}


def static_keys(settings: S3Settings) -> S3CredentialProvider:
    """The keys of the settings, for obstore. Raises SettingMissing."""
    if not settings.access_key_id or settings.secret_access_key is None:
        raise SettingMissing(
            "there are no credentials for the usage bucket",
            remedy="Set MGDW_S3_ACCESS_KEY_ID and MGDW_S3_SECRET_ACCESS_KEY, or name an AwsCredentials block.",
        )
    token = settings.session_token.get_secret_value() if settings.session_token else None
    credential: S3Credential = {
        "access_key_id": settings.access_key_id,
        "secret_access_key": settings.secret_access_key.get_secret_value(),
        "token": token,
        "expires_at": None,
    }
    return lambda: credential


class AssumedRole:
    """An obstore credential provider: sessions with the role (AWS STS, "AssumeRole"). obstore asks for a new one some
    minutes before the old one ends.

    Args:
        base: gives the keys that take on the role; None for those of the settings, or AWS's own places.

    Attributes:
        failure: why the last attempt failed; None after a good one. obstore would tell it as a text alone.
    """

    def __init__(self, settings: S3Settings, base: S3CredentialProvider | None) -> None:
        self.failure: MgdwError | None = None
        self._settings = settings
        self._base = base or (static_keys(settings) if settings.access_key_id else None)

    async def __call__(self) -> S3Credential:
        """A new session. Raises CredentialsRefused, SourceUnavailable."""
        keys = self._base() if self._base else None
        given = await keys if inspect.isawaitable(keys) else keys
        try:
            credential = await asyncio.to_thread(self._assume, given)
        except MgdwError as error:
            self.failure = error
            raise
        self.failure = None
        return credential

    def _assume(self, keys: S3Credential | None) -> S3Credential:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
        from botocore.session import Session

        settings = self._settings
        asked: dict[str, Any] = {
            "RoleArn": settings.role_arn,
            "RoleSessionName": _SESSION,
            "DurationSeconds": settings.role_seconds,
        }
        if settings.external_id:
            asked["ExternalId"] = settings.external_id.get_secret_value()
        given: dict[str, Any] = (keys and {
            "aws_access_key_id": keys["access_key_id"],
            "aws_secret_access_key": keys["secret_access_key"],
            "aws_session_token": keys.get("token"),
        }) or {}  # fmt: skip
        attempts = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": settings.retries + 1})
        try:
            create: Any = Session().create_client  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            client = create(
                "sts", region_name=settings.region, endpoint_url=settings.sts_endpoint_url, config=attempts, **given
            )
            session = client.assume_role(**asked)["Credentials"]
        except ClientError as error:
            answer = cast("dict[str, Any]", error.response).get("Error", {})
            raise self._refused(str(answer.get("Code"))) from None
        except NoCredentialsError:
            raise SettingMissing(
                f"there are no credentials to take on {settings.role_arn} with",
                remedy="Set MGDW_S3_ACCESS_KEY_ID and MGDW_S3_SECRET_ACCESS_KEY, name an AwsCredentials block, or give "
                "the machine an identity of AWS.",
            ) from None
        except BotoCoreError as error:
            raise SourceUnavailable(
                f"STS did not answer ({type(error).__name__})",
                remedy="Check that STS (MGDW_S3_STS_ENDPOINT_URL, if set) is reachable from here, then run again.",
            ) from None
        return {
            "access_key_id": session["AccessKeyId"],
            "secret_access_key": session["SecretAccessKey"],
            "token": session["SessionToken"],
            "expires_at": session["Expiration"].astimezone(UTC),  # obstore takes no other zone
        }

    def _refused(self, code: str) -> MgdwError:
        role = self._settings.role_arn
        if code not in _REFUSED:
            remedy = "See AWS STS, AssumeRole, Errors; a ValidationError may mean MGDW_S3_ROLE_SECONDS is too long."
            kind = (
                SourceUnavailable
                if code in {"Throttling", "InternalFailure", "ServiceUnavailable", "500", "503"}
                else CredentialsRefused
            )
            return kind(f"STS did not let us take on {role} ({code})", remedy=remedy, code=code)
        return CredentialsRefused(
            f"STS refused to let us take on {role} ({code})",
            remedy="Have the bucket's owner check that the role's trust policy names our identity and the ExternalId "
            "of MGDW_S3_EXTERNAL_ID; check that our identity may call sts:AssumeRole on it with active keys.",
            code=code,
        )
