"""fakekube as a process: what it begins with, and that nothing stays behind when it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubernetes.fakekube import processes
from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.cluster_process import ROOT
from tests.kubernetes.fakekube.manifests import pod
from tests.kubernetes.test_fakekube_jobs import DEAF, started

MANIFESTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: mg-dw}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: mg-dw}
---
apiVersion: v1
kind: Namespace
metadata: {name: mg-dw, labels: {team: data}}
---
apiVersion: monitoring.googleapis.com/v1
kind: PodMonitoring
metadata: {name: of-a-kind-that-is-not-served}
"""
ALONE = """
import sys, pathlib
from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.manifests import pod
from tests.kubernetes.test_fakekube_jobs import DEAF, started
cluster = Cluster(pathlib.Path(sys.argv[1]))
cluster.start()
cluster.create(pod(DEAF))
started(cluster)
print(cluster.pid, flush=True)
sys.stdin.read()
"""
"""Starts a cluster and a pod, says the pid of the cluster, and waits."""


def test_a_cluster_begins_with_its_manifests(tmp_path: Path) -> None:
    (tmp_path / "k8s.yaml").write_text(MANIFESTS)
    with Cluster(tmp_path / "cluster", [tmp_path / "k8s.yaml"]) as cluster:
        namespace = cluster.request("GET", "/api/v1/namespaces/mg-dw").json()
        assert namespace["metadata"]["labels"]["team"] == "data"
        path = "/api/v1/namespaces/mg-dw/pods"
        assert cluster.request("GET", path, account="reader").status_code == 200
        assert cluster.request("GET", f"{path}/x", account="reader").status_code == 403


def test_manifests_that_the_api_would_refuse_keep_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "k8s.yaml").write_text(MANIFESTS.replace("rules:", "ruls:"))
    with pytest.raises(RuntimeError, match='unknown field "ruls"'):
        Cluster(tmp_path / "cluster", [tmp_path / "k8s.yaml"]).start()


def test_a_cluster_that_is_stopped_leaves_no_process_behind(tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.create(pod(DEAF))
        found = started(cluster)
        assert cluster.processes(found)
    assert not cluster.processes(found)
    assert not processes.marked(processes.CLUSTER, str(cluster.data))


def test_a_cluster_goes_with_whoever_started_it(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    alone = subprocess.Popen([sys.executable, "-c", ALONE, str(folder)], cwd=ROOT, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert alone.stdout is not None and alone.stdin is not None
    watched = os.pidfd_open(int(alone.stdout.readline()))
    assert processes.marked(processes.CLUSTER, str(folder))
    alone.send_signal(signal.SIGKILL)
    alone.wait()
    alone.stdin.close()
    alone.stdout.close()
    wait_for_end(watched)
    assert not processes.marked(processes.CLUSTER, str(folder))


def wait_for_end(watched: int) -> None:
    """Wait for the process behind a pidfd."""
    ready, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ready
