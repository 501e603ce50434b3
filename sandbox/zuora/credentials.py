"""Who may log in to the sandbox's Zuora."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ZuoraCredentials:
    """One OAuth client of an API user. The official SDK wants ids of 36 characters or more."""

    client_id: str = "5f0c7a86-2b1e-4c59-9d57-6a3e0f1b2c4d"
    client_secret: str = field(default="sandbox-zuora-client-secret-000000000000", repr=False)
    tenant_id: str = "10042"
    entity_id: str = "2c92a0fa-64ad-4be5-a0c8-9e1f2d3c4b5a"
    user_id: str = "2c92a0fb-1d2e-4f3a-8b4c-5d6e7f8091a2"
