"""`Cluster`: fakekube for tests: start it, look at it, break it, wait for what follows."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from tests.kubernetes.fakekube import processes, resources
from tests.kubernetes.fakekube.cluster_process import ClusterProcess

Object = dict[str, Any]
T = TypeVar("T")


class Cluster(ClusterProcess):
    """A fake cluster; its methods are the admin's, in one namespace, and block. Arguments are ClusterProcess's."""

    def within(self, namespace: str, labels: Mapping[str, str] | None = None) -> Cluster:
        """The same cluster, looked at from another namespace, which is made when it is not there."""
        other = copy.copy(self)
        other.namespace = namespace
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": dict(labels or {})}}
        if self.request("GET", f"/api/v1/namespaces/{namespace}").status_code == 404:
            other.create(body)
        return other

    # Looking

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        account: str | None = None,
        content_type: str = "application/json",
    ) -> httpx.Response:
        """Any request to the API, answers of any status; `path` as `/apis/batch/v1/...`. Raises TransportError."""
        headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {account}"} if account else {})}
        content = None if body is None else json.dumps(body)
        return self._http.request(method, path, content=content, params=query, headers=headers)

    @contextmanager
    def watch(self, path: str, query: Mapping[str, str]) -> Generator[Iterator[Object]]:
        """The events of a watch, as they come."""
        with self._http.stream("GET", path, params=query, timeout=60) as response:
            yield (json.loads(line) for line in response.iter_lines())

    def pods(self, selector: str = "") -> list[Object]:
        """The namespace's pods, by name."""
        return self._list(f"/api/v1/namespaces/{self.namespace}/pods", selector)

    def jobs(self, selector: str = "") -> list[Object]:
        return self._list(f"/apis/batch/v1/namespaces/{self.namespace}/jobs", selector)

    def events(self, selector: str = "") -> list[Object]:
        return self._list(f"/api/v1/namespaces/{self.namespace}/events", selector)

    def _list(self, path: str, selector: str) -> list[Object]:
        response = self._http.get(path, params={"labelSelector": selector})
        return response.raise_for_status().json()["items"]

    def create(self, body: Object) -> Object:
        """Create an object of any kind in the namespace. Raises httpx.HTTPStatusError with the API's text."""
        resource = resources.by_kind(body["apiVersion"], body["kind"])
        assert resource is not None, body["kind"]
        between = f"/namespaces/{self.namespace}" if resource.namespaced else ""
        response = self._http.post(f"{resource.root}{between}/{resource.plural}", json=body)
        if response.is_error:
            raise httpx.HTTPStatusError(response.json()["message"], request=response.request, response=response)
        return response.json()

    def patch(self, path: str, patch: Object) -> Object:
        """Merge a patch into an object. Raises httpx.HTTPStatusError."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._http.patch(path, json=patch, headers=headers).raise_for_status().json()

    def delete(self, path: str, policy: str = "Background") -> None:
        """Delete `jobs/x` or `pods/x`. Raises httpx.HTTPStatusError."""
        root = "/apis/batch/v1" if path.startswith("jobs/") else "/api/v1"
        full = f"{root}/namespaces/{self.namespace}/{path}"
        self._http.request("DELETE", full, json={"propagationPolicy": policy}).raise_for_status()

    def logs(self, pod: Object | str) -> str:
        return self._http.get(f"{self._path(pod)}/log").raise_for_status().text

    @contextmanager
    def stream(self, pod: Object | str, container: str | None = None) -> Generator[Iterator[str]]:
        """The lines that a pod writes, as they come, until it ends."""
        query = {"follow": "true", **({"container": container} if container else {})}
        with self._http.stream("GET", f"{self._path(pod)}/log", params=query, timeout=None) as response:
            response.raise_for_status()
            yield response.iter_lines()

    def calls(self, start: int = 0) -> list[Object]:
        """Every request to the API from the `start`th on: verb, resource, namespace, name, user, status, query."""
        return self._http.get("/_fakekube/calls", params={"start": start}).raise_for_status().json()

    def processes(self, pod: Object) -> list[int]:
        """Pids of the pod's living processes."""
        return processes.marked(processes.POD, pod["metadata"]["uid"])

    def wait_for(self, look: Callable[[Cluster], T | bool | None], seconds: float = 60.0, what: str = "") -> T:
        """What `look` answers as soon as it is true; looked at anew after every change in the cluster.

        Raises TimeoutError."""
        end = time.monotonic() + seconds
        while True:
            version = self._changed_after(-1, 0.0)
            if found := look(self):
                return found  # type: ignore[return-value]
            if (left := end - time.monotonic()) <= 0:
                happened = what or "what was waited for"
                raise TimeoutError(f"{happened} did not happen within {seconds:g} s\n{self.describe()}")
            self._changed_after(version, min(left, 30.0))

    def _changed_after(self, version: int, seconds: float) -> int:
        query = {"version": version, "seconds": seconds}
        return self._http.get("/_fakekube/wait", params=query).raise_for_status().json()["version"]

    def describe(self) -> str:
        """Jobs, pods and events in a few lines, for the message of a test that fails."""
        lines = [f"job {one['metadata']['name']}: {one.get('status')}" for one in self.jobs()]
        for pod in self.pods():
            states = [one["state"] for one in pod["status"].get("containerStatuses", ())]
            lines.append(f"pod {pod['metadata']['name']}: {pod['status'].get('phase')} {states}")
        lines += [f"{one['reason']}: {one['message']}" for one in self.events() if one["type"] == "Warning"]
        return "\n".join(lines)

    # Breaking

    def evict(self, pod: Object | str) -> httpx.Response:
        """As a drain does: SIGTERM, the grace, SIGKILL. Answers 201, or 429 when a disruption budget forbids it."""
        name = _name(pod)
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.namespace}}
        return self._http.post(f"{self._path(pod)}/eviction", json=body)

    def kill(self, pod: Object | str) -> None:
        """SIGKILL to every process of the pod, without a word."""
        self._break(f"pods/{self.namespace}/{_name(pod)}/kill")

    def oom(self, pod: Object | str) -> None:
        """End the pod's containers as the kernel does above the memory limit."""
        self._break(f"pods/{self.namespace}/{_name(pod)}/oom")

    def lose_node(self, name: str) -> None:
        """The machine is gone: its processes die and nobody reports it. What a cluster notices of it comes only with
        `node_unreachable` (after some 50 s), `evict_unreachable` (5 minutes later) and `remove_node` (when the cloud
        says that the machine does not exist)."""
        self._break(f"nodes/{name}/lose")

    def shut_down_node(self, name: str, grace: float = 25.0) -> None:
        """The machine is switched off in so many seconds, as Spot machines are: SIGTERM, the grace, SIGKILL; its pods
        have failed and are not deleted."""
        self._http.post(f"/_fakekube/nodes/{name}/shut-down", params={"grace": grace}).raise_for_status()

    def node_unreachable(self, name: str) -> None:
        self._break(f"nodes/{name}/unreachable")

    def evict_unreachable(self, name: str) -> None:
        self._break(f"nodes/{name}/evict")

    def remove_node(self, name: str) -> None:
        self._break(f"nodes/{name}/remove")

    def restore_node(self, name: str) -> None:
        self._break(f"nodes/{name}/restore")

    def partition(self) -> None:
        """Nobody reaches the API: streams are cut and connections dropped. Pods go on."""
        self._break("api/partition")

    def heal(self) -> None:
        self._break("api/heal")

    def compact(self) -> None:
        """Forget the history: a watch that comes back gets 410 Gone."""
        self._break("api/compact")

    def hang_up(self) -> None:
        """Cut every watch once, as a load balancer does."""
        self._break("api/hang-up")

    def _break(self, path: str) -> None:
        self._http.post(f"/_fakekube/{path}").raise_for_status()

    def _path(self, pod: Object | str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{_name(pod)}"


def _name(pod: Object | str) -> str:
    return pod if isinstance(pod, str) else pod["metadata"]["name"]
