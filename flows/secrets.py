"""Where `secret://name` is looked up: the environment on a laptop, Google Secret Manager in the cloud."""

from __future__ import annotations

import functools

from prefect.runtime import flow_run

from connectors.secrets import SecretManager, SecretResolver, from_environment
from flows.gcp import project_access
from flows.settings import FlowSettings


def resolver(settings: FlowSettings) -> SecretResolver:
    """The resolver that the settings ask for. A flow run reads each secret once; the next run reads it anew.

    Google is reached with the first name: who needs no secret needs no credentials. Beside what `SecretManager` raises
    a name may then meet what `flows.gcp.project_access` does.
    """
    if settings.secrets == "environment":
        return from_environment
    run = flow_run.id
    manager = functools.cache(lambda: _of_run(run) if run else SecretManager(project_access()))

    def resolve(name: str) -> str:
        return manager()(name)

    return resolve


@functools.lru_cache(maxsize=4)
def _of_run(_run: str) -> SecretManager:
    """A few runs may be under way in one process: the sources of a daily refresh."""
    return SecretManager(project_access())
