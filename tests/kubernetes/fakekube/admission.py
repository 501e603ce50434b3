"""What a new object passes before it is stored: defaults, the schema, validation, Pod Security, quotas."""

from __future__ import annotations

import copy

from tests.kubernetes.fakekube import defaults, limit_range, pod_security, quota, resources, schema, validation
from tests.kubernetes.fakekube.errors import forbidden
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Object, Store, random_suffix

_DEFAULT_CLASSES = ("system-cluster-critical", "system-node-critical")


class Admission:
    """Knows the namespaces, service accounts, priority classes and quotas that are in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def admit(self, resource: Resource, body: Object) -> Object:
        """The object as it will be stored. Raises ApiError: 404 for a namespace that is not there, 422 with the
        fields that are wrong, 403 from Pod Security, a quota or a missing service account."""
        made = copy.deepcopy(body)
        metadata = made["metadata"]
        for name in ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation"):
            metadata.pop(name, None)
        if resource.namespaced:
            self._store.get(resources.NAMESPACES, None, metadata["namespace"])
        validation.check_metadata(resource, made)
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"][:58] + random_suffix()
        if resource is resources.JOBS:
            validation.check_job(made)
            defaults.job(made)
            made["status"] = {}
        elif resource is resources.PODS:
            self._admit_pod(made)
        quota.check(self._store, resource, made)
        if resource is resources.SECRETS:
            made.setdefault("type", "Opaque")
            made["data"] = {**(made.get("data") or {}), **schema.encoded(made.pop("stringData", None) or {})}
        elif resource is resources.NAMESPACES:
            made["status"] = {"phase": "Active"}
            metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
        return made

    def _admit_pod(self, pod: Object) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        defaults.pod(spec)
        defaults.admitted_pod(spec)
        limit_range.apply(self._store, pod)
        validation.check_pod(pod)
        account = spec["serviceAccountName"]
        if self._store.find(resources.SERVICE_ACCOUNTS, metadata["namespace"], account) is None:
            full = f"{metadata['namespace']}/{account}"
            why = f'error looking up service account {full}: serviceaccount "{account}" not found'
            raise forbidden(resources.PODS, metadata["name"], why)
        name = spec.get("priorityClassName")
        if name and name not in _DEFAULT_CLASSES:
            found = self._store.find(resources.PRIORITY_CLASSES, None, name)
            if found is None:
                raise forbidden(resources.PODS, metadata["name"], f"no PriorityClass with name {name} was found")
            spec["priority"] = found["value"]
        labels = self._store.get(resources.NAMESPACES, None, metadata["namespace"])["metadata"].get("labels") or {}
        if why := pod_security.violations(labels, pod):
            raise forbidden(resources.PODS, metadata["name"], why)
        pod["status"] = {"phase": "Pending", "qosClass": _quality(spec)}

    def warnings(self, resource: Resource, body: Object) -> list[str]:
        """What the server would warn of: the pods of a Job that Pod Security is going to refuse."""
        if resource is not resources.JOBS:
            return []
        namespace = self._store.find(resources.NAMESPACES, None, body["metadata"]["namespace"])
        labels = (namespace or {"metadata": {}})["metadata"].get("labels") or {}
        template = {"metadata": {}, **body["spec"]["template"]}
        warned = pod_security.violations(labels, template, mode="warn")
        return [f"would {warned.replace('violates', 'violate', 1)}"] if warned else []


def _quality(spec: Object) -> str:
    """The pod's QoS class."""
    demands = [one.get("resources") or {} for one in spec["containers"]]
    if not any(one.get("requests") or one.get("limits") for one in demands):
        return "BestEffort"
    equal = all(
        {"cpu", "memory"} <= set(one.get("limits") or {})
        and all((one.get("requests") or {}).get(name) == one["limits"][name] for name in ("cpu", "memory"))
        for one in demands
    )
    return "Guaranteed" if equal else "Burstable"
