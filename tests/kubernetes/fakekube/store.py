"""The objects and their history. Every write gets the next resourceVersion and is told to whoever listens."""

from __future__ import annotations

import copy
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.kubernetes.fakekube import errors
from tests.kubernetes.fakekube.resources import Resource

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for what has none) and name."""

_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
HISTORY = 5_000
"""Changes kept for watches that come back."""


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    """`2026-01-31T04:05:06Z`, the resolution of the API."""
    return (moment or now()).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class Change:
    """One write. `old` is None for ADDED; of DELETED, `object` is the last state."""

    type: str
    resource: Resource
    object: Object
    old: Object | None
    version: int

    @property
    def key(self) -> Key:
        return key_of(self.object)


def key_of(found: Object) -> Key:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


class Store:
    """Objects by resource, namespace and name. What it hands out is shared: copy before changing (`edit`)."""

    def __init__(self, history: int = HISTORY) -> None:
        self.version = 1
        self.oldest = 1
        """Watches may begin at this version or later."""
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._log: deque[Change] = deque()
        self._history = history
        self._listeners: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after every write, in order; the answer takes it away again."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def find(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        return self._objects.get(resource, {}).get((namespace or "", name))

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """Raises ApiError (404)."""
        if (found := self.find(resource, namespace, name)) is None:
            raise errors.not_found(resource, name)
        return found

    def edit(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """A copy that may be changed and given to `update`; None when it is gone."""
        return copy.deepcopy(self.find(resource, namespace, name))

    def every(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """All objects of a namespace, or of all of them, in the order of their keys."""
        found = self._objects.get(resource, {})
        return [found[key] for key in sorted(found) if namespace in (None, key[0])]

    def everything(self) -> Iterator[tuple[Resource, Object]]:
        for resource, found in list(self._objects.items()):
            for one in list(found.values()):
                yield resource, one

    def create(self, resource: Resource, body: Object) -> Object:
        """Store a new object with its metadata filled in. Raises ApiError (409) when the name is taken."""
        made = copy.deepcopy(body)
        metadata = made["metadata"]
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + random_suffix()
        if self.find(resource, metadata.get("namespace"), metadata["name"]) is not None:
            raise errors.already_exists(resource, metadata["name"])
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata["creationTimestamp"] = stamp()
        if "spec" in made:
            metadata["generation"] = 1
        return self._write("ADDED", resource, made, None)

    def update(self, resource: Resource, body: Object) -> Object:
        """Replace an object; one that is being deleted and waits for nothing any more goes.

        Raises ApiError: 404, or 409 when `body` carries a resourceVersion or uid that is not the present one."""
        metadata = body["metadata"]
        old = self.get(resource, metadata.get("namespace"), metadata["name"])
        present = old["metadata"]
        if metadata.get("resourceVersion") not in (None, "", present["resourceVersion"]):
            raise errors.conflict(resource, metadata["name"])
        if metadata.get("uid") not in (None, "", present["uid"]):
            raise errors.conflict(resource, metadata["name"], "Precondition failed: UID in precondition differs")
        made = copy.deepcopy(body)
        for name in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            if name in present:
                made["metadata"][name] = present[name]
        if made == old:
            return old
        if made.get("spec") != old.get("spec"):
            made["metadata"]["generation"] = present.get("generation", 0) + 1
        if _is_done(made):
            return self._write("DELETED", resource, made, old)
        return self._write("MODIFIED", resource, made, old)

    def remove(self, resource: Resource, found: Object) -> None:
        """Take an object away at once, whatever its finalizers say."""
        namespace, name = key_of(found)
        if (old := self.find(resource, namespace, name)) is not None and same(old, found):
            self._write("DELETED", resource, copy.deepcopy(old), old)

    def since(self, version: int) -> list[Change]:
        """Every change after `version`. Raises ApiError (410) when they are not kept any more."""
        if version < self.oldest:
            raise errors.gone(f"too old resource version: {version} ({self.oldest})")
        return [change for change in self._log if change.version > version]

    def compact(self) -> None:
        """Forget the history, as etcd does every five minutes."""
        self._log.clear()
        self.oldest = self.version

    def _write(self, kind: str, resource: Resource, made: Object, old: Object | None) -> Object:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        made = {"apiVersion": resource.api_version, "kind": resource.kind, **made}
        kept = self._objects.setdefault(resource, {})
        if kind == "DELETED":
            del kept[key_of(made)]
        else:
            kept[key_of(made)] = made
        change = Change(kind, resource, made, old, self.version)
        self._log.append(change)
        if len(self._log) > self._history:
            self.oldest = self._log.popleft().version
        for listener in list(self._listeners):
            listener(change)
        return made


def _is_done(found: Object) -> bool:
    metadata = found["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and metadata.get("deletionGracePeriodSeconds", 0) == 0
    )


def same(one: Object, other: Object) -> bool:
    """Is it the same object, not another of the same name?"""
    return one["metadata"]["uid"] == other["metadata"]["uid"]


def random_suffix() -> str:
    return "".join(secrets.choice(_NAME_LETTERS) for _ in range(5))


def owner_reference(resource: Resource, owner: Object) -> Object:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def in_seconds(seconds: float) -> str:
    return stamp(now() + timedelta(seconds=seconds))
