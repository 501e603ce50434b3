"""`k8s/`, built as it would be applied: each environment, and production with high availability."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.kubernetes import safety, wiring
from tests.kubernetes.manifests import K8S, ROOT, VARIANTS, Manifests, Pod, deploy_job, kustomize, schema_errors

Rule = Callable[[Manifests], list[str]]
RULES: tuple[Rule, ...] = (
    safety.unrestricted,
    safety.unlimited,
    safety.loose_images,
    safety.plain_secrets,
    safety.rights,
    safety.network,
    wiring.references,
    wiring.probes,
    wiring.state,
    wiring.budgets,
    wiring.quota,
    wiring.accounts,
    wiring.settings,
    wiring.server,
)
OLDEST, NEWEST = "1.34", "1.36"
"""Kubernetes versions whose schemas are held: what GKE's regular channel has, and the newest of the tools."""


@pytest.fixture(scope="module", params=VARIANTS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    return Manifests.built(request.param)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(manifests: Manifests, rule: Rule) -> None:
    assert rule(manifests) == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_what_kubernetes_knows(manifests: Manifests, version: str) -> None:
    assert schema_errors(manifests.objects, version) == []


def test_a_security_scan_finds_nothing_that_is_not_explained(manifests: Manifests, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([*manifests.objects, deploy_job()]))
    options = ("--quiet", "--skip-check-update", "--skip-version-check", "--format", "json")
    ignored = ("--ignorefile", K8S / ".trivyignore")
    scan = subprocess.run(
        [ROOT / ".checks/bin/trivy", "config", *options, *ignored, tmp_path], capture_output=True, text=True, check=True
    )
    results = json.loads(scan.stdout).get("Results", [])
    assert results, "nothing was scanned"
    found = [
        f"{m['Severity']} {m['ID']} {m['Message']}"
        for r in results
        for m in r.get("Misconfigurations", [])
        if m["Severity"] != "LOW"
    ]
    assert found == []


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_each_object_says_whose_it_is(environment: str) -> None:
    for one in Manifests.built(environment).objects:
        labels = one["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/part-of") == "mg-dw"
        assert labels.get("app.kubernetes.io/instance") == environment


def test_the_job_that_writes_deployments_is_restricted_and_limited_and_known_to_kubernetes() -> None:
    job = deploy_job()
    pod = Pod.of(job)
    assert safety.pod_problems(pod) == []
    assert safety.pod_unlimited(pod) == []
    assert schema_errors((job,), NEWEST) == []
    (container,) = pod.spec["containers"]
    assert container["args"][container["args"].index("--image") + 1] == container["image"]
    assert pod.spec["serviceAccountName"] == "pipeline"
    assert pod.labels["app.kubernetes.io/component"] == "deploy"


def test_what_kubernetes_does_not_know_is_found() -> None:
    job = deploy_job()
    job["spec"]["template"]["spec"]["contaners"] = []
    assert schema_errors((job,), NEWEST)


def test_the_base_alone_builds_and_has_no_project() -> None:
    assert "PROJECT" in kustomize(K8S / "base")


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_placeholder_is_left_in_what_is_applied(variant: str) -> None:
    assert not re.search(r"\b(PROJECT|REGION|IMAGE)\b", json.dumps(Manifests.built(variant).objects))
