"""What fakekube refuses, and in which words: rights, wrong fields, quotas, Pod Security, disruption budgets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.manifests import container, job, pod
from tests.kubernetes.test_fakekube_jobs import HANDLES, ended, started

Object = dict[str, Any]
MISSING: Object = {"image": "mg-dw:missing"}
"""Pods of such an image stay as they are."""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
SAFE: Object = {
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"}},
}  # fmt: skip
_RBAC = "rbac.authorization.k8s.io"


def answer(cluster: Cluster, body: Object, account: str | None = None) -> Object:
    """The Status that a POST of a Job or a Pod is refused with."""
    root = "/apis/batch/v1" if body["kind"] == "Job" else "/api/v1"
    path = f"{root}/namespaces/{cluster.namespace}/{body['kind'].lower()}s"
    response = cluster.request("POST", path, body, account=account)
    assert response.is_error, response.text
    return response.json()


# Rights


@pytest.fixture
def account(fakekube: Cluster) -> str:
    """A service account that may list pods and read the one named `mine`, and nothing else."""
    namespace = fakekube.namespace
    fakekube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}})
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]
    fakekube.create({"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": rules})
    fakekube.create({
        "apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    })  # fmt: skip
    return f"system:serviceaccount:{namespace}:reader"


def test_what_no_role_allows_is_forbidden_in_a_real_servers_words(fakekube: Cluster, account: str) -> None:
    body = answer(fakekube, job("true"), account)
    assert body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'jobs.batch is forbidden: User "{account}" cannot create resource "jobs" in API group "batch" '
        f'in the namespace "{fakekube.namespace}"',
        "reason": "Forbidden",
        "details": {"group": "batch", "kind": "jobs"},
        "code": 403,
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/namespaces/{0}/pods", 200),
        ("GET", "/api/v1/namespaces/{0}/pods/mine", 404),
        ("GET", "/api/v1/namespaces/{0}/pods/other", 403),
        ("GET", "/api/v1/namespaces/{0}/pods/mine/log", 403),
        ("GET", "/api/v1/namespaces/default/pods", 403),
        ("GET", "/api/v1/pods", 403),
        ("GET", "/api/v1/nodes", 403),
        ("DELETE", "/api/v1/namespaces/{0}/pods/mine", 403),
        ("GET", "/apis/batch/v1", 200),
        ("GET", "/version", 200),
    ],
)
def test_a_role_allows_what_it_says(fakekube: Cluster, account: str, method: str, path: str, status: int) -> None:
    assert fakekube.request(method, path.format(fakekube.namespace), account=account).status_code == status


def test_a_token_of_nobody_is_unauthorized(fakekube: Cluster) -> None:
    assert fakekube.request("GET", "/api/v1/pods", account="system:serviceaccount:x:nobody").status_code == 401


def test_a_user_of_the_cloud_has_the_rights_that_are_bound_to_the_name(fakekube: Cluster, account: str) -> None:
    assert account
    user = "build@mg-dw.iam.gserviceaccount.com"
    path = f"/api/v1/namespaces/{fakekube.namespace}/pods"
    assert fakekube.request("GET", path, account=f"user:{user}").status_code == 403
    fakekube.create({
        "apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "build"},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "apiGroup": _RBAC, "name": user}],
    })  # fmt: skip
    assert fakekube.request("GET", path, account=f"user:{user}").status_code == 200


def test_a_role_that_is_taken_away_allows_nothing_any_more(fakekube: Cluster, account: str) -> None:
    path = f"/api/v1/namespaces/{fakekube.namespace}/pods"
    assert fakekube.request("GET", path, account=account).status_code == 200
    binding = f"/apis/{_RBAC}/v1/namespaces/{fakekube.namespace}/rolebindings/reader"
    assert fakekube.request("DELETE", binding).status_code == 200
    assert fakekube.request("GET", path, account=account).status_code == 403


def test_one_may_ask_what_one_may_do(fakekube: Cluster, account: str) -> None:
    for verb, allowed in (("list", True), ("delete", False)):
        attributes = {"namespace": fakekube.namespace, "verb": verb, "resource": "pods"}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                  "spec": {"resourceAttributes": attributes}}  # fmt: skip
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        body = fakekube.request("POST", path, {"metadata": {}, **review}, account=account).json()
        assert body["status"]["allowed"] is allowed


# Fields


def test_fields_that_do_not_exist_are_refused_all_of_them(fakekube: Cluster) -> None:
    wrong = job("true", spec={"backofLimit": 0}, enviroment=[])
    body = answer(fakekube, wrong)
    assert body["code"] == 400
    assert 'unknown field "spec.backofLimit"' in body["message"]
    assert 'unknown field "spec.template.spec.containers[0].enviroment"' in body["message"]
    assert not fakekube.jobs()


def test_what_the_worker_cannot_leave_out_is_dropped_with_a_warning(fakekube: Cluster) -> None:
    path = f"/apis/batch/v1/namespaces/{fakekube.namespace}/jobs"
    response = fakekube.request("POST", path, job("true", template={"parallelism": 1, "completions": 1}))
    assert response.status_code == 201
    assert "parallelism" not in response.json()["spec"]["template"]["spec"]
    assert 'unknown field \\"spec.template.spec.parallelism\\"' in response.headers["Warning"]


CASES: list[tuple[Object, int, str]] = [
    (job("true", spec={"backoffLimit": "0"}), 400, "spec.backoffLimit"),
    (job("true", env=[{"name": "A", "value": 1}]), 400, "spec.template.spec.containers[0].env[0].value"),
    (job("true", env=[{"value": "1"}]), 422, "spec.template.spec.containers[0].env[0].name"),
    (job("true", spec={"backoffLimit": -1}), 422, "spec.backoffLimit"),
    (job("true", name="Not_A_Name"), 422, "metadata.name"),
    (job("true", template={"restartPolicy": "Always"}), 422, "spec.template.spec.restartPolicy"),
    (job("true", image=""), 422, "spec.template.spec.containers[0].image"),
    (job("true", imagePullPolicy="Sometimes"), 422, "spec.template.spec.containers[0].imagePullPolicy"),
    (job("true", volumeMounts=[{"name": "x", "mountPath": "/x"}]), 422,
     "spec.template.spec.containers[0].volumeMounts[0].name"),
    (job("true", resources={"limits": {"memory": "2Gb"}}), 422,
     "spec.template.spec.containers[0].resources.limits.memory"),
    (job("true", resources={"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}), 422,
     "spec.template.spec.containers[0].resources.requests"),
    (job("true", template={"terminationGracePeriodSeconds": -1}), 422,
     "spec.template.spec.terminationGracePeriodSeconds"),
    (pod("true", metadata={"labels": {"run": "not a value"}}), 422, "metadata.labels"),
    (pod("true", spec={"containers": [container("true"), container("true")]}), 422, "spec.containers[1].name"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "field"), CASES, ids=[field for _, _, field in CASES])
def test_a_wrong_field_is_named(fakekube: Cluster, body: Object, code: int, field: str) -> None:
    refused = answer(fakekube, body)
    assert refused["code"] == code
    assert field in refused["message"]
    if code == 422:
        assert refused["reason"] == "Invalid" and field in [one["field"] for one in refused["details"]["causes"]]


# Quotas


def limit(cluster: Cluster, **hard: str) -> None:
    names = {key.replace("__", "."): value for key, value in hard.items()}
    if "count_jobs" in names:
        names["count/jobs.batch"] = names.pop("count_jobs")
    cluster.create(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "mg-dw"}, "spec": {"hard": names}}
    )


def demand(memory: str, cpu: str = "1") -> Object:
    return {"resources": {"limits": {"cpu": cpu, "memory": memory}}}


def test_a_pod_above_the_quota_is_forbidden_with_what_is_used(fakekube: Cluster) -> None:
    limit(fakekube, requests__cpu="4", requests__memory="4Gi")
    fakekube.create(pod("true", **MISSING, **demand("3Gi", "500m")))
    body = answer(fakekube, pod("true", name="second", **demand("2Gi")))
    assert body["code"] == 403
    assert body["message"] == (
        'pods "second" is forbidden: exceeded quota: mg-dw, requested: requests.memory=2Gi, '
        "used: requests.memory=3Gi, limited: requests.memory=4Gi"
    )
    fakekube.delete("pods/pod")
    fakekube.wait_for(lambda now: not now.pods())
    fakekube.create(pod("true", name="second", **demand("2Gi")))


def test_a_pod_that_does_not_say_how_much_it_takes_is_forbidden_where_that_is_limited(fakekube: Cluster) -> None:
    limit(fakekube, limits__memory="4Gi")
    assert answer(fakekube, pod("true"))["message"] == (
        'pods "pod" is forbidden: failed quota: mg-dw: must specify limits.memory for: main'
    )


def test_the_number_of_jobs_is_limited_at_their_creation(fakekube: Cluster) -> None:
    limit(fakekube, count_jobs="1")
    fakekube.create(job("true"))
    assert (
        "exceeded quota: mg-dw, requested: count/jobs.batch=1, used: count/jobs.batch=1"
        in (answer(fakekube, job("true", name="second"))["message"])
    )


def test_a_job_whose_pods_exceed_the_quota_waits_for_room(fakekube: Cluster) -> None:
    limit(fakekube, pods="1")
    fakekube.create(pod("true", **MISSING))
    fakekube.create(job("true"))
    [event] = fakekube.wait_for(lambda now: [one for one in now.events() if one["reason"] == "FailedCreate"])[:1]
    assert "exceeded quota: mg-dw, requested: pods=1, used: pods=1, limited: pods=1" in event["message"]
    fakekube.delete("pods/pod")
    assert ended(fakekube)["status"]["succeeded"] == 1


def test_a_limit_range_fills_in_and_caps_what_a_container_takes(fakekube: Cluster) -> None:
    limits = {"type": "Container", "default": {"cpu": "500m", "memory": "1Gi"}, "max": {"cpu": "8", "memory": "32Gi"}}
    fakekube.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "x"}, "spec": {"limits": [limits]}})
    made = fakekube.create(pod("true", **MISSING))["spec"]["containers"][0]["resources"]
    assert made["limits"] == made["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert answer(fakekube, pod("true", name="large", **demand("64Gi")))["message"] == (
        'pods "large" is forbidden: maximum memory usage per Container is 32Gi, but limit is 64Gi'
    )


# Pod Security


def test_a_restricted_namespace_takes_a_pod_only_when_it_is_safe(fakekube: Cluster) -> None:
    strict = fakekube.within(f"{fakekube.namespace}-strict", RESTRICTED)
    assert answer(strict, pod("true"))["message"] == (
        'pods "pod" is forbidden: violates PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )
    strict.create(pod("true", **SAFE))
    outside = pod("true", name="outside", spec={"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]}, **SAFE)
    assert 'hostPath volumes (volume "disk")' in answer(strict, outside)["message"]


def test_a_job_with_unsafe_pods_is_warned_of_and_never_gets_one(fakekube: Cluster) -> None:
    strict = fakekube.within(f"{fakekube.namespace}-strict", RESTRICTED)
    path = f"/apis/batch/v1/namespaces/{strict.namespace}/jobs"
    response = strict.request("POST", path, job("true"))
    assert "would violate PodSecurity" in response.headers["Warning"]
    events = strict.wait_for(lambda now: [one for one in now.events() if one["reason"] == "FailedCreate"])
    assert 'violates PodSecurity "restricted:latest"' in events[0]["message"]
    assert not strict.pods()


# Disruption budgets


def test_a_budget_keeps_a_pod_from_being_evicted(fakekube: Cluster) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "keep"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"keep": "it"}}},
    }
    fakekube.create(budget)
    fakekube.create(pod(HANDLES, metadata={"labels": {"keep": "it"}}))
    found = started(fakekube)
    refused = fakekube.evict(found)
    assert refused.status_code == 429
    assert refused.json()["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    cause = refused.json()["details"]["causes"][0]["message"]
    assert cause == "The disruption budget keep needs 1 healthy pods and has 1 currently"
    assert fakekube.processes(found)
    fakekube.delete("pods/pod")


def test_a_budget_by_share_lets_no_pod_of_a_job_go(fakekube: Cluster) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "share"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"job-name": "job"}}},
    }
    fakekube.create(budget)
    fakekube.create(job(HANDLES))
    refused = fakekube.evict(started(fakekube))
    assert refused.status_code == 429
    assert "does not implement the scale subresource" in refused.json()["details"]["causes"][0]["message"]
    fakekube.delete("jobs/job")
