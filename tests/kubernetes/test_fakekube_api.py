"""The API of fakekube, through the client that the worker uses and over plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.exceptions import ApiException

from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.manifests import job, pod
from tests.kubernetes.test_fakekube_jobs import HANDLES, started

Object = dict[str, Any]
MISSING: Object = {"image": "mg-dw:missing"}
"""Pods of such an image stay as they are."""


@pytest.fixture
async def api(fakekube: Cluster, tmp_path: Path) -> AsyncIterator[client.ApiClient]:
    """kubernetes_asyncio as the admin."""
    path = fakekube.kubeconfig(tmp_path / "kubeconfig")
    async with await config.new_client_from_config(str(path)) as opened:
        yield opened


def labelled(name: str, **labels: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"n": name}}


async def test_an_object_is_created_read_replaced_patched_and_deleted(fakekube: Cluster, api: client.ApiClient) -> None:
    core, namespace = client.CoreV1Api(api), fakekube.namespace
    made = await core.create_namespaced_secret(
        namespace, client.V1Secret(metadata=client.V1ObjectMeta(generate_name="key-"), string_data={"a": "b"})
    )
    name = made.metadata.name
    assert name.startswith("key-") and made.data == {"a": "Yg=="} and made.type == "Opaque"
    made.data = {"a": "Yw=="}
    replaced = await core.replace_namespaced_secret(name, namespace, made)
    assert int(replaced.metadata.resource_version) > int(made.metadata.resource_version)
    with pytest.raises(ApiException) as stale:
        await core.replace_namespaced_secret(name, namespace, made)
    assert stale.value.status == 409
    patched = await core.patch_namespaced_secret(name, namespace, {"metadata": {"labels": {"x": "y"}}})
    assert patched.metadata.labels == {"x": "y"} and patched.data == {"a": "Yw=="}
    await core.delete_namespaced_secret(name, namespace)
    with pytest.raises(ApiException) as missing:
        await core.read_namespaced_secret(name, namespace)
    assert missing.value.status == 404 and f'secrets \\"{name}\\" not found' in str(missing.value.body)


def test_patches_are_of_three_kinds(fakekube: Cluster) -> None:
    fakekube.create(pod("true", **MISSING, env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]))
    path = f"/api/v1/namespaces/{fakekube.namespace}/pods/pod"

    def send(kind: str, patch: Any) -> Object:
        return fakekube.request("PATCH", path, patch, content_type=f"application/{kind}+json").json()

    named = {"spec": {"containers": [{"name": "main", "image": "mg-dw:2"}]}}
    container = send("strategic-merge-patch", named)["spec"]["containers"][0]
    assert container["image"] == "mg-dw:2" and len(container["env"]) == 2
    added = send("json-patch", [{"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}}])
    assert added["metadata"]["labels"] == {"a/b": "c"}
    gone = send("json-patch", [{"op": "remove", "path": "/metadata/labels/a~1b"}])
    assert gone["metadata"]["labels"] == {}
    refused = send("json-patch", [{"op": "test", "path": "/spec/restartPolicy", "value": "Always"}])
    assert refused["code"] == 400
    replaced = send("merge-patch", named)
    assert replaced["code"] == 422, "a merge patch replaces the list, and that is more than the image"
    assert fakekube.request("PATCH", path, {}, content_type="application/xml").status_code == 415


def test_lists_are_selected_by_labels_and_fields(fakekube: Cluster) -> None:
    for name, labels in (("one", {"run": "a", "kind": "x"}), ("two", {"run": "b"}), ("three", {})):
        fakekube.create(labelled(name, **labels))
    path = f"/api/v1/namespaces/{fakekube.namespace}/configmaps"

    def names(**query: str) -> set[str]:
        return {one["metadata"]["name"] for one in fakekube.request("GET", path, query=query).json()["items"]}

    assert names() == {"one", "two", "three"}
    assert names(labelSelector="run") == {"one", "two"}
    assert names(labelSelector="!run") == {"three"}
    assert names(labelSelector="run=a,kind==x") == {"one"}
    assert names(labelSelector="run!=a") == {"two", "three"}
    assert names(labelSelector="run in (a, b),kind notin (x)") == {"two"}
    assert names(fieldSelector="metadata.name!=one") == {"two", "three"}
    assert fakekube.request("GET", path, query={"labelSelector": "a b"}).status_code == 400


def test_a_list_comes_in_pages(fakekube: Cluster) -> None:
    for number in range(5):
        fakekube.create(labelled(f"map-{number}"))
    path, found, query = f"/api/v1/namespaces/{fakekube.namespace}/configmaps", list[str](), {"limit": "2"}
    for _ in range(3):
        page = fakekube.request("GET", path, query=query).json()
        found += [one["metadata"]["name"] for one in page["items"]]
        if "continue" not in page["metadata"]:
            break
        query["continue"] = page["metadata"]["continue"]
    assert found == [f"map-{number}" for number in range(5)]


async def test_a_watch_replays_what_came_since_a_version(fakekube: Cluster, api: client.ApiClient) -> None:
    core, namespace = client.CoreV1Api(api), fakekube.namespace
    listed = await core.list_namespaced_config_map(namespace)
    first = await core.create_namespaced_config_map(namespace, labelled("first", run="a"))
    await core.patch_namespaced_config_map("first", namespace, {"data": {"n": "changed"}})
    await core.delete_namespaced_config_map("first", namespace)
    seen: list[tuple[str, str]] = []
    async with watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=30,
    ) as events:
        async for event in events:
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 3:
                await core.create_namespaced_config_map(namespace, labelled("second"))
            if len(seen) == 4:
                break
    assert seen == [("ADDED", "first"), ("MODIFIED", "first"), ("DELETED", "first"), ("ADDED", "second")]
    assert int(first.metadata.resource_version) > int(listed.metadata.resource_version)


async def test_an_object_that_is_not_selected_any_more_is_deleted_for_the_watcher(
    fakekube: Cluster, api: client.ApiClient
) -> None:
    core, namespace = client.CoreV1Api(api), fakekube.namespace
    version = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
    await core.create_namespaced_config_map(namespace, labelled("one", run="a"))
    await core.create_namespaced_config_map(namespace, labelled("other"))
    await core.patch_namespaced_config_map("one", namespace, {"metadata": {"labels": {"run": None}}})
    await core.patch_namespaced_config_map("other", namespace, {"metadata": {"labels": {"run": "a"}}})
    seen: list[tuple[str, str]] = []
    async with watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=version, label_selector="run", timeout_seconds=30
    ) as events:
        async for event in events:
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 3:
                break
    assert seen == [("ADDED", "one"), ("DELETED", "one"), ("ADDED", "other")]


def test_a_watch_has_bookmarks_and_may_begin_with_what_is_there(fakekube: Cluster) -> None:
    fakekube.create(labelled("here"))
    path = f"/api/v1/namespaces/{fakekube.namespace}/configmaps"
    query = {"watch": "true", "allowWatchBookmarks": "true", "sendInitialEvents": "true"}
    with fakekube.watch(path, query) as events:
        added, end, later = next(events), next(events), next(events)
    assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "here")
    assert end["type"] == "BOOKMARK"
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert later["type"] == "BOOKMARK" and "annotations" not in later["object"]["metadata"]


def test_a_watch_from_a_version_that_is_forgotten_is_told_so(fakekube: Cluster) -> None:
    path = f"/api/v1/namespaces/{fakekube.namespace}/configmaps"
    version = fakekube.request("GET", path).json()["metadata"]["resourceVersion"]
    fakekube.create(labelled("one"))
    fakekube.compact()
    with fakekube.watch(path, {"watch": "true", "resourceVersion": version}) as events:
        [event] = list(events)
    assert event["type"] == "ERROR" and event["object"]["code"] == 410 and event["object"]["reason"] == "Expired"


async def test_a_log_is_read_by_the_client(fakekube: Cluster, api: client.ApiClient) -> None:
    body: Any = job("echo one; echo two")
    created = await client.BatchV1Api(api).create_namespaced_job(fakekube.namespace, body)
    selector = f"batch.kubernetes.io/controller-uid={created.metadata.uid}"
    await asyncio.to_thread(
        fakekube.wait_for, lambda now: [one for one in now.pods(selector) if one["status"]["phase"] == "Succeeded"]
    )
    core = client.CoreV1Api(api)
    [found] = (await core.list_namespaced_pod(fakekube.namespace, label_selector="job-name=job")).items
    assert await core.read_namespaced_pod_log(found.metadata.name, fakekube.namespace, tail_lines=1) == "two\n"


def test_the_template_of_a_job_cannot_be_changed(fakekube: Cluster) -> None:
    fakekube.create(job("true", **MISSING))
    path = f"/apis/batch/v1/namespaces/{fakekube.namespace}/jobs/job"
    template = {"spec": {"template": {"spec": {"activeDeadlineSeconds": 5}}}}
    answer = fakekube.request("PATCH", path, template, content_type="application/merge-patch+json")
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "spec.template"


def test_an_api_that_cannot_be_reached_leaves_pods_alone(fakekube: Cluster) -> None:
    fakekube.create(job(HANDLES))
    found = started(fakekube)
    fakekube.partition()
    try:
        with pytest.raises(httpx.TransportError):
            fakekube.request("GET", "/version")
        assert fakekube.processes(found)
    finally:
        fakekube.heal()
    assert fakekube.request("GET", "/version").json()["minor"] == "36"
    fakekube.delete("jobs/job")


def test_every_call_is_written_down(fakekube: Cluster) -> None:
    start = len(fakekube.calls())
    fakekube.create(labelled("one"))
    fakekube.request("GET", f"/api/v1/namespaces/{fakekube.namespace}/pods", query={"labelSelector": "a=b"})
    fakekube.request("GET", f"/api/v1/namespaces/{fakekube.namespace}/pods/none/log")
    calls = [(one["verb"], one["resource"], one["name"], one["status"]) for one in fakekube.calls(start)]
    assert calls == [("create", "configmaps", None, 201), ("list", "pods", None, 200), ("get", "pods/log", "none", 404)]
    assert fakekube.calls(start)[1]["query"] == {"labelSelector": "a=b"}


def test_discovery_lists_what_there_is(fakekube: Cluster) -> None:
    groups = {one["name"] for one in fakekube.request("GET", "/apis").json()["groups"]}
    assert {"batch", "policy", "rbac.authorization.k8s.io", "apps"} <= groups
    names = {one["name"] for one in fakekube.request("GET", "/api/v1").json()["resources"]}
    assert {"pods", "pods/log", "pods/eviction", "secrets", "events"} <= names
    for path in ("/apis/none/v1", "/api/v1/namespaces/x/unknown", "/nothing"):
        assert fakekube.request("GET", path).status_code == 404
    assert fakekube.request("POST", "/version").status_code in (404, 405)
