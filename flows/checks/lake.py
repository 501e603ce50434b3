"""The lake: can a small object be written once, read, and taken away again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, PreconditionFailed
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError

from connectors.errors import ConfigurationError, PermissionMissing, StorageFull, UnknownObject
from connectors.google import GoogleAccess
from connectors.warehouse.settings import WarehouseSettings
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.gcp import google_access

PROBES = "_doctor"
"""Folder of the probe objects; nothing else reads or writes it."""
ONCE = Retry(predicate=lambda _error: False)
"""A doctor does not ask twice."""
_TEXT = b"mg-dw doctor was here\n"
NO_CREDENTIALS = (
    "On GKE bind the pod's service account to a Google one (Workload Identity); on a laptop run `gcloud auth "
    "application-default login`; or `mgdw blocks --key-file KEY.json`."
)


def lake_check() -> Check:
    """Write, write again (must be refused), read, delete."""

    async def look() -> Sequence[Diagnosis]:
        settings = WarehouseSettings.from_environment()
        if not settings.lake.startswith("gs://"):
            return [await in_thread(lambda: _folder(Path(settings.lake).absolute()))]
        google = await in_thread(google_access)
        assert google is not None
        return [await in_thread(lambda: _bucket(google, settings.lake))]

    return Check("lake", "MGDW_LAKE", look, remedies={DefaultCredentialsError: NO_CREDENTIALS})


def _folder(folder: Path) -> Diagnosis:
    probe = folder / PROBES / f"{uuid.uuid4()}.txt"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        with probe.open("xb") as file:
            file.write(_TEXT)
        try:
            with probe.open("xb"):
                pass
        except FileExistsError:
            pass
        else:
            raise ConfigurationError(
                f"{folder} lets an object be created twice", remedy="Put the lake on another file system."
            )
        if probe.read_bytes() != _TEXT:
            raise ConfigurationError(
                f"{folder} gives back other bytes than were written", remedy="Check the disk, or use another one."
            )
        probe.unlink()
        probe.parent.rmdir()
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageFull(
            f"{error.filename or folder} is a file, and the lake is a folder", remedy="Point MGDW_LAKE at a folder."
        ) from error
    except OSError as error:
        raise StorageFull(f"cannot write the lake {folder}: {error.strerror or type(error).__name__}") from error
    return Diagnosis("lake", str(folder), Status.OK, "written once, read, deleted")


def _bucket(google: GoogleAccess, lake: str) -> Diagnosis:
    name, _, prefix = lake.removeprefix("gs://").partition("/")
    client = google.storage()
    blob = client.bucket(name).blob("/".join(filter(None, (prefix.strip("/"), PROBES, f"{uuid.uuid4()}.txt"))))
    doing = "write to"
    try:
        blob.upload_from_string(_TEXT, if_generation_match=0, timeout=20, retry=ONCE)
        doing = "write twice to"
        try:
            blob.upload_from_string(b"again", if_generation_match=0, timeout=20, retry=ONCE)
        except PreconditionFailed:
            pass
        else:
            raise ConfigurationError(
                f"{lake} does not honour create-only writes: two runs could overwrite each other's objects",
                remedy="Use a bucket of Google Cloud Storage; a gateway in front of it must pass ifGenerationMatch on.",
            )
        doing = "read from"
        if blob.download_as_bytes(timeout=20, retry=ONCE) != _TEXT:
            raise ConfigurationError(
                f"{lake} gives back other bytes than were written", remedy="Look what stands between here and it."
            )
        doing = "delete from"
        blob.delete(timeout=20, retry=ONCE)
    except NotFound as error:
        raise UnknownObject(
            f"there is no bucket {name}, or it is not this project's to see",
            remedy="Create it: `tofu apply` in deployments/gcp, or `gcloud storage buckets create "
            f"gs://{name} --project {google.project} --location {google.location} --uniform-bucket-level-access`.",
        ) from error
    except Forbidden as error:
        if doing == "delete from":
            return Diagnosis(
                "lake", lake, Status.WARNING, "written once (a second time was refused), read; not ours to delete",
                f"Raw data needs no deletion, the files of load jobs do: grant roles/storage.objectUser on {PROBES}/ "
                "and work/, as deployments/gcp does.",
            )  # fmt: skip
        raise PermissionMissing(
            f"the account this runs as may not {doing} gs://{name}",
            remedy=f"Grant roles/storage.objectUser: `gcloud storage buckets add-iam-policy-binding gs://{name} "
            "--member serviceAccount:ACCOUNT --role roles/storage.objectUser`.",
        ) from error
    except GoogleAPICallError as error:
        raise ConfigurationError(
            f"cannot {doing} gs://{name}: {error.code} {(error.message or '')[:200]}",
            remedy="Look the error up in Google's documentation; the bucket's page in the console shows its state.",
        ) from error
    return Diagnosis("lake", lake, Status.OK, "written once (a second time was refused), read, deleted")
