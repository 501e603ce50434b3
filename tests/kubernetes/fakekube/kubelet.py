"""The scheduler, and the kubelets of all nodes."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from tests.kubernetes.fakekube import conditions, deletion, environment, processes, quantities, resources
from tests.kubernetes.fakekube.events import record
from tests.kubernetes.fakekube.node_settings import NodeSettings
from tests.kubernetes.fakekube.pod_runner import PodRunner
from tests.kubernetes.fakekube.store import Change, Object, Store, key_of, same

_log = logging.getLogger(__name__)
_UNTOLD = ("bootID", "containerRuntimeVersion", "kernelVersion", "machineID", "osImage", "systemUUID")
_NODE_INFO = {
    **dict.fromkeys(_UNTOLD, "fakekube"),
    "architecture": "amd64",
    "operatingSystem": "linux",
    "kubeletVersion": "v1.36.0",
    "kubeProxyVersion": "v1.36.0",
}


class Kubelet:
    """Gives pods a node and runs them there."""

    def __init__(self, store: Store, settings: NodeSettings) -> None:
        self._store = store
        self._settings = settings
        self._runners: dict[str, PodRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for name, labels in settings.nodes.items():
            self._register(name, labels)

    def notice(self, change: Change) -> None:
        """Act on a change of a pod, of a node, or of what pods take their configuration from."""
        if change.resource is resources.PODS:
            self._notice_pod(change)
        elif change.resource in (resources.SECRETS, resources.CONFIG_MAPS):
            for runner in self._runners.values():
                runner.configuration_changed.set()
        elif change.resource is resources.NODES and change.type != "DELETED":
            for pod in self._store.every(resources.PODS):
                if "nodeName" not in pod["spec"]:
                    self._schedule(pod)

    def _notice_pod(self, change: Change) -> None:
        uid = change.object["metadata"]["uid"]
        runner = self._runners.get(uid)
        if change.type == "DELETED":
            if runner is not None:
                runner.terminate(0)
            return
        pod = self._store.find(resources.PODS, *change.key)
        if pod is None or not same(pod, change.object):
            return
        if "nodeName" not in pod["spec"]:
            self._schedule(pod)
        elif runner is None and "deletionTimestamp" not in pod["metadata"] and not _is_over(pod):
            self._start(pod)
        elif runner is not None and "deletionTimestamp" in pod["metadata"] and not runner.lost:
            runner.terminate(pod["metadata"]["deletionGracePeriodSeconds"])

    def _schedule(self, pod: Object) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            return
        selector = pod["spec"].get("nodeSelector") or {}
        nodes = self._store.every(resources.NODES)
        ready = [one for one in nodes if conditions.holds(one, "Ready") and not one["spec"].get("unschedulable")]
        fitting = [one for one in ready if selector.items() <= one["metadata"]["labels"].items()]
        if not fitting:
            message = (
                f"0/{len(nodes)} nodes are available: {len(nodes)} node(s) didn't match Pod's node affinity/selector."
            )
            record(self._store, pod, "FailedScheduling", message, by="default-scheduler", warning=True)
            self._store.update(resources.PODS, conditions.put(pod, "PodScheduled", "False", "Unschedulable", message))
            return
        node = fitting[0]["metadata"]["name"]
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        record(self._store, pod, "Scheduled", f"Successfully assigned {name} to {node}", by="default-scheduler")
        placed = conditions.put({**pod, "spec": {**pod["spec"], "nodeName": node}}, "PodScheduled", "True")
        self._store.update(resources.PODS, placed)

    def _start(self, pod: Object) -> None:
        runner = PodRunner(self._store, pod, self._settings)
        self._runners[runner.uid] = runner
        task = asyncio.create_task(self._run(runner), name=f"pod {pod['metadata']['name']}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, runner: PodRunner) -> None:
        try:
            await runner.run()
        except Exception:  # noqa: BLE001 whatever happens to one pod, the others go on
            _log.exception("Pod %s", runner.uid)
        finally:
            environment.clean(runner.folder / "volumes")
            environment.clean(runner.folder / "tmp")

    def runner(self, pod: Object) -> PodRunner | None:
        return self._runners.get(pod["metadata"]["uid"])

    async def watch_memory(self) -> None:
        """End containers that take more memory than their limit."""
        while True:
            await asyncio.sleep(self._settings.memory_check)
            if not any(not task.done() for task in self._tasks):
                continue
            pids = await asyncio.to_thread(processes.by_mark, processes.CONTAINER)
            for pod in self._store.every(resources.PODS):
                runner = self._runners.get(pod["metadata"]["uid"])
                for container in pod["spec"]["containers"] if runner is not None else ():
                    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
                    run = runner.runs.get(container["name"]) if runner is not None else None
                    if limit is None or run is None or not run.running:
                        continue
                    if processes.memory(pids.get(run.identity, [])) > quantities.parse(limit):
                        await asyncio.to_thread(run.end_by_memory)

    async def stop(self) -> None:
        """Kill every pod's processes, at once."""
        processes.kill(processes.CLUSTER, str(self._settings.data))
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # Nodes

    def _register(self, name: str, labels: dict[str, str]) -> None:
        node = {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels},
            },
            "spec": {},
            "status": {"nodeInfo": _NODE_INFO, "allocatable": {"pods": "110"}},
        }
        self._store.create(resources.NODES, conditions.put(node, "Ready", "True", "KubeletReady"))

    def lose(self, name: str) -> None:
        """The machine is gone: its processes die, and nobody says so."""
        for pod in self._pods_on(name):
            if (runner := self._runners.get(pod["metadata"]["uid"])) is not None:
                runner.lost = True
                runner.kill()

    def shut_down(self, name: str, grace: float) -> None:
        """The machine is going to be switched off, as a Spot node is: its pods have `grace` seconds, then they have
        failed. They are not deleted."""
        node = self._store.get(resources.NODES, None, name)
        self._store.update(
            resources.NODES, conditions.put(node, "Ready", "False", "KubeletNotReady", "node is shutting down")
        )
        for pod in self._pods_on(name):
            runner = self._runners.get(pod["metadata"]["uid"])
            if runner is not None and not _is_over(pod):
                runner.shut_down(grace)

    def mark_unreachable(self, name: str) -> None:
        """What the node controller does when a node has been silent for 50 seconds; its pods are evicted after five
        more minutes, and stay Terminating since nobody can say that they ended."""
        node = self._store.get(resources.NODES, None, name)
        message = "Kubelet stopped posting node status."
        self._store.update(resources.NODES, conditions.put(node, "Ready", "Unknown", "NodeStatusUnknown", message))
        for pod in self._pods_on(name):
            if not _is_over(pod):
                self._store.update(resources.PODS, conditions.put(pod, "Ready", "False", "NodeNotReady"))

    def evict_unreachable(self, name: str) -> None:
        """What the taint manager does when the pods' toleration of an unreachable node is over."""
        for pod in self._pods_on(name):
            if not _is_over(pod):
                message = "Taint manager: deleting due to NoExecute taint"
                marked = conditions.put(pod, "DisruptionTarget", "True", "DeletionByTaintManager", message)
                deletion.delete(self._store, resources.PODS, self._store.update(resources.PODS, marked))

    def remove(self, name: str) -> None:
        """What follows when the cloud says that the machine is gone: the node's object goes, and its pods with it."""
        self._store.remove(resources.NODES, self._store.get(resources.NODES, None, name))
        for pod in self._pods_on(name):
            if not _is_over(pod):
                message = "PodGC: node no longer exists"
                failed = conditions.put(pod, "DisruptionTarget", "True", "DeletionByPodGC", message)
                failed = {**failed, "status": {**failed["status"], "phase": "Failed"}}
                self._store.update(resources.PODS, failed)
            if (present := self._store.find(resources.PODS, *key_of(pod))) is not None:
                deletion.delete(self._store, resources.PODS, present, {"gracePeriodSeconds": 0})

    def restore(self, name: str) -> None:
        """A machine of that name is there again, or for the first time after `remove`."""
        if self._store.find(resources.NODES, None, name) is not None:
            node = self._store.get(resources.NODES, None, name)
            self._store.update(resources.NODES, conditions.put(node, "Ready", "True", "KubeletReady"))
        else:
            self._register(name, self._settings.nodes.get(name, {}))

    def _pods_on(self, name: str) -> list[Object]:
        return [pod for pod in self._store.every(resources.PODS) if pod["spec"].get("nodeName") == name]


def _is_over(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")
