"""The parts of a cluster, put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from tests.kubernetes.fakekube import resources, schema
from tests.kubernetes.fakekube.admission import Admission
from tests.kubernetes.fakekube.deletion import GarbageCollector
from tests.kubernetes.fakekube.deployments import DeploymentController
from tests.kubernetes.fakekube.jobs import JobController
from tests.kubernetes.fakekube.kubelet import Kubelet
from tests.kubernetes.fakekube.node_settings import NodeSettings
from tests.kubernetes.fakekube.resources import Target
from tests.kubernetes.fakekube.store import Change, Store
from tests.kubernetes.fakekube.verbs import Verbs


class ClusterState:
    """Store, controllers and kubelets. `back_off` is what a Job waits before its first retry, in seconds;
    `patience` how long a rollout may take at most."""

    def __init__(self, settings: NodeSettings, back_off: float, patience: float) -> None:
        self.store = Store()
        self.admission = Admission(self.store)
        self.verbs = Verbs(self.store, self.admission)
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        self.store.listen(self._changes.put_nowait)
        self.store.listen(self._make_default_account)
        self.kubelet = Kubelet(self.store, settings)
        self._jobs = JobController(self.store, self.admission, back_off)
        self._deployments = DeploymentController(self.store, settings.images, patience)
        self._collector = GarbageCollector(self.store)
        self._make_namespace("default")

    def _make_namespace(self, name: str) -> None:
        if self.store.find(resources.NAMESPACES, None, name) is None:
            body = {"metadata": {"name": name}}
            self.store.create(resources.NAMESPACES, self.admission.admit(resources.NAMESPACES, body))

    def _make_default_account(self, change: Change) -> None:
        if change.resource is resources.NAMESPACES and change.type == "ADDED":
            name = change.object["metadata"]["name"]
            account = {"metadata": {"name": "default", "namespace": name}}
            self.store.create(resources.SERVICE_ACCOUNTS, account)

    def load(self, manifests: list[Path], usual: str) -> None:
        """Create what lies in YAML files or folders of them, namespaces first; kinds that the API does not serve are
        passed over. What has no namespace goes to the `usual` one. Raises ApiError as a POST would."""
        self._make_namespace(usual)
        documents = [one for path in manifests for file in _files(path) for one in yaml.safe_load_all(file.read_text())]
        known = [(resources.by_kind(one.get("apiVersion"), one.get("kind")), one) for one in documents if one]
        for resource, body in sorted(known, key=lambda one: one[0] is not resources.NAMESPACES):
            if resource is None or not resource.kept:
                continue
            namespace = body["metadata"].setdefault("namespace", usual) if resource.namespaced else None
            if namespace is not None:
                self._make_namespace(namespace)
            present = self.store.find(resource, namespace, body["metadata"]["name"])
            if present is None:
                self.verbs.create(Target(resource, namespace, None, None), "", body, {})
            else:
                merged, _ = schema.check(
                    resource, {**present, **body, "metadata": {**present["metadata"], **body["metadata"]}}
                )
                self.store.update(resource, merged)

    async def run(self) -> None:
        """Let the controllers and kubelets work until cancelled; then every pod is killed."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._jobs.run())
                group.create_task(self.kubelet.watch_memory())
                while True:
                    change = await self._changes.get()
                    self._collector.sync(change)
                    self._jobs.notice(change)
                    self._deployments.notice(change)
                    self.kubelet.notice(change)
        finally:
            await self.kubelet.stop()


def _files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*.yaml") if one.is_file()) if path.is_dir() else [path]
