"""STS beside the bucket: one role in the bucket owner's account, its sessions, and what a request with them may do.

The answers are moto's; that the ExternalId is right, and that a session has not ended, is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs


@dataclass
class Role:
    """A role that is taken on to read the bucket. Without it nobody may.

    Attributes:
        external_id: what AssumeRole must name.
        session_seconds: how long a session is said to last, whatever was asked for; it ends with `end_sessions`.
        sessions: access key ids of the sessions given, oldest first.
    """

    external_id: str
    arn: str = "arn:aws:iam::123456789012:role/usage-reader"
    session_seconds: int = 3600
    sessions: list[str] = field(default_factory=list[str])
    _secrets: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    _ended: set[str] = field(default_factory=set[str])

    @property
    def secrets(self) -> dict[str, str]:
        """Secret keys of all sessions by access key id."""
        return {key: secret for key, (secret, _) in self._secrets.items()}

    def end_sessions(self) -> None:
        """End all sessions now."""
        self._ended |= set(self.sessions)

    def assume(self, body: bytes, answer: Callable[[], bytes]) -> bytes | None:
        """The answer to AssumeRole; None if it is refused.

        Args:
            answer: asks moto.
        """
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (asked.get("RoleArn"), asked.get("ExternalId")) != (self.arn, self.external_id):
            return None
        text = answer().decode()
        ends = datetime.now(UTC) + timedelta(seconds=self.session_seconds)
        key, secret, token = (_element(text, n) for n in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
        self._secrets[key] = secret, token
        self.sessions.append(key)
        stamp = f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        return re.sub("<Expiration>.*?</Expiration>", stamp, text).encode()

    def refusal(self, key: str, headers: Mapping[str, str]) -> tuple[str, str] | None:
        """Why a request to S3 with this access key is refused; None if it is not."""
        session = self._secrets.get(key)
        if session is None:
            return "AccessDenied", "Access Denied"
        if headers.get("x-amz-security-token") != session[1]:
            return "InvalidToken", "The provided token is malformed or otherwise invalid."
        if key in self._ended:
            return "ExpiredToken", "The provided token has expired."
        return None


def _element(text: str, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", text)
    assert found, f"moto's answer has no {name}"
    return found[1]
