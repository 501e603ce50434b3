"""Who may log in to the sandbox's NetSuite."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@functools.cache
def _key_pair() -> tuple[str, str]:
    """A key pair for this process; making one takes a quarter of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@dataclass(frozen=True)
class NetSuiteCredentials:
    """One integration record with one certificate and one access token mapped to one role.

    Attributes:
        client_id: the integration's consumer key, the assertion's `iss`.
        certificate_id: the mapping's Certificate ID, the assertion's `kid`.
        private_key: PEM, for the client's side.
        public_key: PEM, the key of the uploaded certificate; RSA or EC.
        consumer_secret, token_id, token_secret: for token-based authentication, with the client id as consumer key.
    """

    account: str = "1234567_SB1"
    client_id: str = "sandbox-netsuite-client-0000000000000000000000000000000000000001"
    certificate_id: str = "sandboxcertificate0000000000000000000000001"
    private_key: str = field(default_factory=lambda: _key_pair()[0], repr=False)
    public_key: str = field(default_factory=lambda: _key_pair()[1], repr=False)
    consumer_secret: str = field(default="sandbox-consumer-secret-000000000000000000000000000000001", repr=False)
    token_id: str = "sandbox-token-id-0000000000000000000000000000000000000000000001"
    token_secret: str = field(default="sandbox-token-secret-00000000000000000000000000000000001", repr=False)
