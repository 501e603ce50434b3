"""Who may log in to the sandbox's Salesforce."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@functools.cache
def _key_pair() -> tuple[str, str]:
    """A key pair for this process; making one takes a quarter of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@dataclass(frozen=True)
class SalesforceCredentials:
    """One connected app and its integration user.

    Attributes:
        client_id: the app's consumer key.
        username: the user on whose behalf the JWT bearer flow logs in.
        private_key: PEM, for the client's side of the JWT bearer flow.
        public_key: PEM, the certificate's key that the app was given.
    """

    client_id: str = "3MVG9sandbox.mgdw.integration"
    client_secret: str = field(default="sandbox-sfdc-client-secret", repr=False)
    username: str = "integration@mgdw.example"
    private_key: str = field(default_factory=lambda: _key_pair()[0], repr=False)
    public_key: str = field(default_factory=lambda: _key_pair()[1], repr=False)
    organization_id: str = "00D5g000004sandEAA"
    user_id: str = "0055g00000SandbAAA"
