"""The bucket as the source sees it: list, head, read, archive. obstore inside, this program's errors outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from connectors.batch import FileRef
from connectors.errors import MgdwError, SourceUnavailable, TruncatedBody
from connectors.s3.credentials import AssumedRole, static_keys
from connectors.s3.refusals import explained, is_changed
from connectors.s3.settings import S3Settings

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3CredentialProvider

_CHUNK = 1 << 20


class FileChangedError(Exception):
    """The file is not the one that was listed: replaced, or withdrawn. Never leaves this package."""


class Bucket:
    """Access to one bucket.

    Args:
        credentials: an obstore credential provider; None takes the keys of the settings.

    Raises:
        SettingMissing: no credentials.
    """

    def __init__(self, settings: S3Settings, credentials: S3CredentialProvider | None = None) -> None:
        self.name = settings.bucket
        self._role = AssumedRole(settings, credentials) if settings.role_arn else None
        # One key a request: the bulk call answers 200 and hides what was refused in the body.
        config: S3Config = {"region": settings.region, "disable_bulk_delete": True}
        if settings.requester_pays:
            config["request_payer"] = True
        options: ClientConfig = {
            "timeout": timedelta(seconds=settings.timeout_seconds),
            "connect_timeout": timedelta(seconds=10),
        }
        if settings.endpoint_url:
            # Both names: obstore reads AWS_ENDPOINT_URL_S3 from the environment, and that would win over `endpoint`.
            config["endpoint"] = config["aws_endpoint_url_s3"] = settings.endpoint_url
            options["allow_http"] = settings.endpoint_url.startswith("http://")
        retry: RetryConfig = {
            "max_retries": settings.retries,
            "retry_timeout": timedelta(seconds=settings.retry_seconds),
        }
        self._again = AsyncRetrying(
            stop=stop_after_attempt(min(3, settings.retries + 1)) | stop_after_delay(settings.retry_seconds),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            retry=retry_if_exception_type(SourceUnavailable),
            reraise=True,
        )
        self._store = S3Store(
            settings.bucket,
            config=config,
            client_options=options,
            retry_config=retry,
            credential_provider=self._role or credentials or static_keys(settings),
        )

    async def login(self) -> None:
        """Take on the role, where there is one. Raises CredentialsRefused, SourceUnavailable."""
        if self._role:
            await self._role()

    async def files(self, prefix: str) -> list[FileRef]:
        """Every object below `prefix`, in key order.

        obstore asks again after an error, but not after an answer that ended early: then the list is begun anew.

        Raises:
            CredentialsRefused, PermissionMissing, UnknownObject, SourceUnavailable
        """
        return await self._again(self._list, prefix)

    async def _list(self, prefix: str) -> list[FileRef]:
        found: list[FileRef] = []
        try:
            pages = obstore.list(self._store, prefix=prefix, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType]
            async for page in pages:
                found += [self._ref(meta) for meta in page]
        except (BaseError, OSError, ValueError) as error:
            raise self._explained(error, f"list {prefix!r}") from None
        return sorted(found, key=lambda f: f.key)

    async def head(self, key: str) -> FileRef:
        """The object as it is now. Raises FileChangedError if there is none any more."""
        try:
            return self._ref(await obstore.head_async(self._store, key))
        except FileNotFoundError:
            raise FileChangedError(key) from None
        except (BaseError, OSError, ValueError) as error:
            raise self._explained(error, f"find {key!r}", key=key) from None

    async def read(self, file: FileRef, *, first_bytes: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes of exactly the delivery that was listed, as stored, in chunks of about 1 MB.

        Args:
            first_bytes: read only the beginning.

        Raises:
            FileChangedError: it was replaced or withdrawn since.
            TruncatedBody: fewer bytes came than were listed.
        """
        options: GetOptions = {"if_match": file.etag}
        if first_bytes is not None:
            options["range"] = (0, first_bytes)
        received = 0
        try:
            result = await obstore.get_async(self._store, file.key, options=options)
            async for chunk in result.stream(min_chunk_size=_CHUNK):
                received += len(chunk)
                yield bytes(chunk)
        except (BaseError, OSError, ValueError) as error:
            raise self._not_read(error, file) from None
        if first_bytes is None and received != file.size:
            raise TruncatedBody(f"{file.key}: {received} bytes came, {file.size} were listed", key=file.key)

    async def end(self, file: FileRef, length: int) -> bytes:
        """The last bytes of exactly the delivery that was listed. Raises FileChangedError."""
        options: GetOptions = {"if_match": file.etag, "range": (max(file.size - length, 0), file.size)}
        try:
            return bytes(await (await obstore.get_async(self._store, file.key, options=options)).bytes_async())
        except (BaseError, OSError, ValueError) as error:
            raise self._not_read(error, file) from None

    async def copy(self, key: str, target: str) -> None:
        """Copy an object inside the bucket, over what is there. Raises FileChangedError: it is gone."""
        try:
            await obstore.copy_async(self._store, key, target)
        except FileNotFoundError:
            raise FileChangedError(key) from None
        except (BaseError, OSError, ValueError) as error:
            raise self._explained(error, f"copy {key!r} to {target!r}", key=key, target=target) from None

    async def delete(self, key: str) -> None:
        """Delete an object; no error if it is gone."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError, ValueError) as error:
            raise self._explained(error, f"delete {key!r}", key=key) from None

    def _not_read(self, error: Exception, file: FileRef) -> Exception:
        if is_changed(error):
            return FileChangedError(file.key)
        return self._explained(error, f"read {file.key!r}", key=file.key)

    def _explained(
        self, error: Exception, what: str, *, key: str | None = None, target: str | None = None
    ) -> MgdwError:
        if self._role and self._role.failure:
            return self._role.failure
        return explained(error, self.name, what, key=key, target=target)

    def _ref(self, meta: ObjectMeta) -> FileRef:
        # A listing names no versions, so that the reference from `head` must not either: both mean one delivery. The
        # etag alone would not tell A, then B, then A again apart.
        etag, delivered = meta["e_tag"] or "", meta["last_modified"].astimezone(UTC)
        version = f"{etag} {delivered:%Y-%m-%dT%H:%M:%SZ}"
        return FileRef(self.name, meta["path"], etag, meta["size"], delivered, version)
