"""fakekube through kubectl, as a person and as Cloud Build use it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes import install
from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.manifests import job

Object = dict[str, Any]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]
_RBAC = "rbac.authorization.k8s.io"
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: hello, labels: {step: one}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: python, command: [sh, -c, "echo hello"]}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: server}
spec:
  replicas: 2
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {containers: [{name: main, image: "python:1"}]}
"""


def runner(cluster: Cluster, config: Path) -> Kubectl:
    def run(*words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(install.kubectl()), f"--kubeconfig={config}", f"--cache-dir={config.parent / 'cache'}", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def kubectl(fakekube: Cluster, tmp_path: Path) -> Kubectl:
    """kubectl as the admin, in the test's namespace."""
    return runner(fakekube, fakekube.kubeconfig(tmp_path / "admin"))


def test_a_job_is_applied_waited_for_described_and_deleted(kubectl: Kubectl, fakekube: Cluster) -> None:
    assert kubectl("apply", "-f", "-", text=JOB).stdout == "job.batch/hello created\n"
    assert kubectl("apply", "-f", "-", text=JOB.replace("one", "two")).stdout == "job.batch/hello configured\n"
    assert kubectl("wait", "--for=condition=Complete", "job/hello", "--timeout=60s").returncode == 0
    assert kubectl("logs", "job/hello").stdout == "hello\n"
    assert kubectl("get", "pods", "--no-headers").stdout.split()[1:4] == ["0/1", "Completed", "0"]
    assert kubectl("get", "job", "hello", "--no-headers").stdout.split()[:3] == ["hello", "Complete", "1/1"]
    described = kubectl("describe", "job", "hello").stdout
    assert "step=two" in described and "Created pod: hello-" in described
    assert "Exit Code:    0" in kubectl("describe", "pods").stdout
    assert kubectl("get", "all", "-o", "name").stdout.splitlines()[-1] == "job.batch/hello"
    assert kubectl("delete", "job", "hello").returncode == 0
    fakekube.wait_for(lambda now: not now.jobs() and not now.pods())


def test_a_misspelt_field_is_refused(kubectl: Kubectl) -> None:
    refused = kubectl("apply", "-f", "-", text=JOB.replace("backoffLimit", "backofLimit"))
    assert refused.returncode == 1 and 'unknown field "spec.backofLimit"' in refused.stderr


def test_server_side_apply_creates_and_merges(kubectl: Kubectl) -> None:
    secret = kubectl(
        "create", "secret", "generic", "keys", "--from-literal=a=b", "--dry-run=client", "-o", "yaml"
    ).stdout
    for _ in range(2):
        assert kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=secret).returncode == 0
    assert kubectl("get", "secret", "keys", "-o", "jsonpath={.data.a}").stdout == "Yg=="


def test_a_deployment_is_rolled_out_when_its_image_is_there(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", text=DEPLOYMENT).returncode == 0
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/server", "--timeout=60s").stdout
    assert kubectl("set", "image", "deployment/server", "main=python:missing").returncode == 0
    stuck = kubectl("rollout", "status", "deployment/server", "--timeout=60s")
    assert stuck.returncode == 1 and "exceeded its progress deadline" in stuck.stderr
    ready = kubectl("get", "deployment", "server", "-o", "jsonpath={.status.readyReplicas}").stdout
    assert ready == "2", "the old pods go on"
    assert kubectl("set", "image", "deployment/server", "main=python:2").returncode == 0
    assert kubectl("rollout", "status", "deployment/server", "--timeout=60s").returncode == 0


def test_a_drain_evicts_what_runs_on_a_node(kubectl: Kubectl, fakekube: Cluster) -> None:
    fakekube.create(job("trap 'exit 0' TERM; while :; do sleep 0.05; done",
                        spec={"podReplacementPolicy": "Failed"},
                        template={"nodeSelector": {"cloud.google.com/gke-spot": "true"}}))  # fmt: skip
    fakekube.wait_for(lambda now: [one for one in now.pods() if one["status"]["phase"] == "Running"])
    drained = kubectl("drain", "spot-1", "--ignore-daemonsets", "--timeout=60s")
    try:
        assert drained.returncode == 0, drained.stderr
        assert not fakekube.pods()
    finally:
        assert kubectl("uncordon", "spot-1").returncode == 0


def test_over_tls_kubectl_has_the_rights_of_its_service_account(fakekube: Cluster, tmp_path: Path) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "looker"}}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": {"name": "looker"},
            "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}]}  # fmt: skip
    binding = {"apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "looker"},
               "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": "looker"},
               "subjects": [{"kind": "ServiceAccount", "name": "looker", "namespace": fakekube.namespace}]}  # fmt: skip
    for body in (account, role, binding):
        fakekube.create(body)
    user = f"system:serviceaccount:{fakekube.namespace}:looker"
    looker = runner(fakekube, fakekube.kubeconfig(tmp_path / "looker", user, tls=True))
    assert looker("get", "jobs").returncode == 0
    refused = looker("get", "pods")
    assert refused.returncode == 1
    assert f'User "{user}" cannot list resource "pods" in API group ""' in refused.stderr
