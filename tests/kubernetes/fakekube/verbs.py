"""The verbs of the API on objects: create, get, list, update, patch, delete."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from typing import Any

from tests.kubernetes.fakekube import deletion, errors, evictions, patches, rbac, resources, schema, selectors
from tests.kubernetes.fakekube.admission import Admission
from tests.kubernetes.fakekube.resources import Resource, Target
from tests.kubernetes.fakekube.store import Object, Store, key_of, same

Query = Mapping[str, str]
_MUTABLE_OF_PODS = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"}


class Verbs:
    """Each method answers with the body; what it raises is an ApiError."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission

    def create(self, target: Target, user: str, body: Any, query: Query) -> tuple[Object, list[str]]:
        """The new object, and warnings for the client."""
        resource = target.resource
        if target.subresource == "eviction":
            return self._evict(target, body), []
        made, warnings = schema.check(resource, body)
        metadata = made.setdefault("metadata", {})
        if resource.namespaced and metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request: "
                f"{metadata['namespace']} != {target.namespace}"
            )
        if resource is resources.ACCESS_REVIEWS:
            return self._review(made, user), []
        made = self._admission.admit(resource, made)
        warnings += self._admission.warnings(resource, made)
        if query.get("dryRun") == "All":
            return made, warnings
        return self._store.create(resource, made), warnings

    def _evict(self, target: Target, body: Any) -> Object:
        assert target.name is not None
        pod = self._store.get(target.resource, target.namespace, target.name)
        evictions.evict(self._store, pod, (body or {}).get("deleteOptions"))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _review(self, body: Object, user: str) -> Object:
        asked = body["spec"].get("resourceAttributes") or {}
        about = body["spec"].get("nonResourceAttributes")
        resource = next(
            (
                one
                for one in resources.ALL
                if (one.group, one.plural) == (asked.get("group", ""), asked.get("resource"))
            ),
            None,
        )
        request = rbac.Request(
            asked.get("verb") or (about or {}).get("verb", ""), resource, asked.get("subresource") or None,
            asked.get("namespace") or None, asked.get("name") or None, (about or {}).get("path", "/"),
        )  # fmt: skip
        allowed = (resource is not None or about is not None) and rbac.allowed(self._store, user, request)
        return {**body, "status": {"allowed": allowed}}

    def get(self, target: Target) -> Object:
        assert target.name is not None
        return self._store.get(target.resource, target.namespace, target.name)

    def list(self, target: Target, query: Query) -> Object:
        """A page; `continue` names the last key of the page before and the version of the first page."""
        resource = target.resource
        matches = matcher(query)
        found = [one for one in self._store.every(resource, target.namespace) if matches(one)]
        version, metadata = self._store.version, dict[str, Any]()
        if token := query.get("continue"):
            version, *after = json.loads(base64.b64decode(token))
            if version < self._store.oldest:
                raise errors.gone("The provided continue parameter is too old to display a consistent list result.")
            found = [one for one in found if key_of(one) > tuple(after)]
        limit = int(query.get("limit") or 0)
        if limit and len(found) > limit:
            metadata["remainingItemCount"] = len(found) - limit
            found = found[:limit]
            metadata["continue"] = base64.b64encode(json.dumps([version, *key_of(found[-1])]).encode()).decode()
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(version), **metadata},
            "items": [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in found],
        }

    def update(self, target: Target, body: Any, query: Query) -> Object:
        made, _ = schema.check(target.resource, body)
        made.setdefault("metadata", {}).setdefault("namespace", target.namespace)
        if not target.resource.namespaced:
            del made["metadata"]["namespace"]
        if made["metadata"].get("name") != target.name:
            raise errors.bad_request("the name of the object does not match the name on the URL")
        return self._replace(target, self.get(target), made, query)

    def patch(self, target: Target, kind: str, patch: Any, query: Query) -> Object:
        """Apply a patch; `kind` is its content type. Server-side apply is a strategic merge that may create."""
        if kind == "application/apply-patch+yaml" and self._store.find(
            target.resource, target.namespace, target.name or "") is None:  # fmt: skip
            patch.setdefault("metadata", {}).setdefault("name", target.name)
            return self.create(target, rbac.ADMIN, patch, query)[0]
        present = copy.deepcopy(self.get(target))
        match kind:
            case "application/json-patch+json":
                made = patches.json_patch(present, patch)
            case "application/merge-patch+json":
                made = patches.merge(present, patch)
            case "application/strategic-merge-patch+json" | "application/apply-patch+yaml":
                made = patches.strategic(present, patch)
            case _:
                raise errors.unsupported_media(kind)
        made, _ = schema.check(target.resource, made)
        return self._replace(target, present, made, query)

    def _replace(self, target: Target, present: Object, made: Object, query: Query) -> Object:
        resource = target.resource
        if target.subresource == "status":
            made = {**present, "status": made.get("status", {})}
        elif "status" in resource.subresources:
            made = {**made, **({"status": present["status"]} if "status" in present else {})}
        _check_immutable(resource, present, made)
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            if name in present["metadata"]:
                made["metadata"][name] = present["metadata"][name]
        if resource is resources.SECRETS and "stringData" in made:
            made["data"] = {**(made.get("data") or {}), **schema.encoded(made.pop("stringData"))}
        return made if query.get("dryRun") == "All" else self._store.update(resource, made)

    def delete(self, target: Target, options: dict[str, Any], query: Query) -> Object:
        """Delete one object; options come from the body, or from the query where the body has none."""
        found = self.get(target)
        wanted = _options(options, query)
        needed = (wanted.get("preconditions") or {}).get("uid")
        if needed is not None and needed != found["metadata"]["uid"]:
            raise errors.conflict(
                target.resource, target.name or "", "Precondition failed: UID in precondition differs"
            )
        if query.get("dryRun") == "All":
            return found
        left = deletion.delete(self._store, target.resource, found, wanted)
        present = self._store.find(target.resource, target.namespace, target.name or "")
        if present is not None and same(present, found):
            return left
        details = {"name": target.name, "kind": target.resource.plural, "uid": found["metadata"]["uid"]}
        if target.resource.group:
            details["group"] = target.resource.group
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def delete_many(self, target: Target, options: dict[str, Any], query: Query) -> Object:
        matches = matcher(query)
        found = [one for one in self._store.every(target.resource, target.namespace) if matches(one)]
        for one in found:
            deletion.delete(self._store, target.resource, one, _options(options, query))
        kind = f"{target.resource.kind}List"
        metadata = {"resourceVersion": str(self._store.version)}
        return {"kind": kind, "apiVersion": target.resource.api_version, "metadata": metadata, "items": found}


def matcher(query: Query) -> selectors.Callable[[Object], bool]:
    """Whether an object is selected by `labelSelector` and `fieldSelector`."""
    labels, fields = selectors.labels(query.get("labelSelector")), selectors.fields(query.get("fieldSelector"))
    return lambda one: labels(one["metadata"].get("labels") or {}) and fields(one)


def _options(options: dict[str, Any], query: Query) -> dict[str, Any]:
    known: dict[str, Any] = {name: query[name] for name in ("propagationPolicy", "gracePeriodSeconds") if name in query}
    if "orphanDependents" in query:
        known["orphanDependents"] = query["orphanDependents"] == "true"
    return {**known, **options}


def _check_immutable(resource: Resource, present: Object, made: Object) -> None:
    old, new = present.get("spec") or {}, made.get("spec") or {}
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    fixed: set[str] = set()
    if resource is resources.JOBS:
        fixed = changed & {
            "template",
            "selector",
            "completions",
            "completionMode",
            "podFailurePolicy",
            "manualSelector",
        }
    elif resource is resources.PODS:
        without_images = [
            [{key: value for key, value in one.items() if key != "image"} for one in spec.get("containers", ())]
            for spec in (old, new)
        ]
        if without_images[0] == without_images[1]:
            changed.discard("containers")
        fixed = changed - _MUTABLE_OF_PODS
    if fixed:
        causes = [(f"spec.{name}", "FieldValueInvalid", "field is immutable") for name in sorted(fixed)]
        raise errors.invalid(resource.kind, resource.group, made["metadata"]["name"], causes)
