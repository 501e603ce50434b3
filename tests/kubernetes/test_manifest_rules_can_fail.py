# ruff: noqa: E501 - the table quotes our files as they stand
"""Each rule finds what it is for: a copy of `k8s/`, broken on purpose in one place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kubernetes import safety, wiring
from tests.kubernetes.manifests import HIGH_AVAILABILITY, K8S, Manifests
from tests.kubernetes.test_manifests import RULES, Rule

SERVER = "base/prefect-server/deployment.yaml"
WORKER = "base/prefect-worker/deployment.yaml"
POLICIES = "base/network-policies.yaml"
PRODUCTION = "overlays/production/kustomization.yaml"
COMPONENT = "components/high-availability"

BREAKS: tuple[tuple[Rule, str, str, str], ...] = (
    (safety.unrestricted, SERVER, "runAsNonRoot: true", "runAsNonRoot: false"),
    (safety.unrestricted, SERVER, "runAsUser: 1001", "runAsUser: 1000"),
    (safety.unrestricted, SERVER, "type: RuntimeDefault", "type: Unconfined"),
    (safety.unrestricted, SERVER, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    (safety.unrestricted, SERVER, "drop: [ALL]", "drop: [NET_RAW]"),
    (safety.unrestricted, WORKER, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    (safety.unrestricted, WORKER, "enableServiceLinks: false", "enableServiceLinks: true"),
    (safety.unrestricted, WORKER, "enableServiceLinks: false", "enableServiceLinks: false\n      hostNetwork: true"),
    (safety.unrestricted, WORKER, "emptyDir:\n            sizeLimit: 256Mi", "hostPath:\n            path: /"),
    (safety.unrestricted, WORKER, "containerPort: 8080", "containerPort: 8080\n              hostPort: 8080"),
    (safety.unrestricted, WORKER, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: true\n            privileged: true"),
    (safety.unrestricted, "base/namespace.yaml", "/enforce: restricted", "/enforce: baseline"),
    (safety.unlimited, WORKER, "              cpu: 250m\n              memory: 1Gi", "              cpu: 100m\n              memory: 1Gi"),
    (safety.unlimited, WORKER, "              ephemeral-storage: 512Mi\n", ""),
    (safety.unlimited, WORKER, "sizeLimit: 256Mi", "sizeLimit: 2Gi"),
    (safety.unlimited, WORKER, "emptyDir:\n            sizeLimit: 256Mi", "emptyDir: {}"),
    (safety.loose_images, SERVER, "cloud-sql-proxy:2.25.4", "cloud-sql-proxy:latest"),
    (safety.loose_images, PRODUCTION, "    digest: sha256:" + "0" * 64, "    newTag: latest"),
    (safety.loose_images, f"{COMPONENT}/background.yaml", "cloud-sql-proxy:2.25.4", "cloud-sql-proxy:2.24.0"),
    (safety.plain_secrets, "base/flow-run.env", "secret://slack-webhook-url", "https://hooks.example.com/T0"),
    (safety.plain_secrets, PRODUCTION, ".iam@127.0.0.1", ".iam:word@127.0.0.1"),
    (safety.plain_secrets, "base/releases.yaml", "kind: ConfigMap", "kind: Secret"),
    (safety.plain_secrets, WORKER, "valueFrom:\n                secretKeyRef:\n                  name: prefect-api-auth\n                  key: auth-string", "value: admin"),
    (safety.rights, "base/rbac-prefect-worker.yaml", "verbs: [create, patch, delete]", "verbs: [create, patch, delete, list]"),
    (safety.rights, "base/rbac-prefect-worker.yaml", "verbs: [get, list, watch, create, delete]", "verbs: [get, list, watch, create]"),
    (safety.rights, "base/rbac-prefect-worker.yaml", "resources: [pods/log]", "resources: ['*']"),
    (safety.rights, "base/rbac-prefect-worker.yaml", "  name: prefect-worker\nsubjects", "  name: cloud-build\nsubjects"),
    (safety.rights, "base/rbac-prefect-worker.yaml", "kind: Role\nmetadata", "kind: ClusterRole\nmetadata"),
    (safety.rights, "base/rbac-cloud-build.yaml", "    resourceNames: [prefect-api-auth]\n", ""),
    (safety.rights, "overlays/production/service-accounts.yaml", "name: cloud-build@", "name: cloud-build-test@"),
    (safety.rights, SERVER, "automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    (safety.rights, "base/service-accounts.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    (safety.network, POLICIES, "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]"),
    (safety.network, POLICIES, "values: [deploy, flow-run, server]", "values: [deploy, flow-run, server, worker]"),
    (safety.network, POLICIES, "values: [deploy, flow-run, worker]", "values: [deploy, flow-run]"),
    (safety.network, POLICIES, "values: [deploy, flow-run]", "values: [deploy]"),
    (safety.network, POLICIES, "169.254.0.0/16, ", ""),
    (safety.network, POLICIES, "cidr: 10.28.0.0/20", "cidr: 10.0.0.0/8"),
    (safety.network, POLICIES, "port: 3307", "port: 5432"),
    (safety.network, SERVER, "component: server", "component: servers"),
    (safety.network, f"{COMPONENT}/network-policy.yaml", "port: 6378", "port: 22"),
    (wiring.references, SERVER, "key: instance", "key: instances"),
    (wiring.references, SERVER, "key: auth-string", "key: password"),
    (wiring.references, SERVER, "claimName: prefect-server", "claimName: prefect"),
    (wiring.references, SERVER, "- name: tmp\n          emptyDir", "- name: temp\n          emptyDir"),
    (wiring.references, WORKER, "serviceAccountName: prefect-worker", "serviceAccountName: worker"),
    (wiring.references, "base/prefect-server/service.yaml", "  selector:\n    app.kubernetes.io/name: prefect-server", "  selector:\n    app.kubernetes.io/name: server"),
    (wiring.references, "base/prefect-worker/kustomization.yaml", "- name: prefect-worker", "- name: worker"),
    (wiring.probes, SERVER, "readinessProbe:", "lifecycle: {}\n          x-probe:"),
    (wiring.probes, SERVER, "startupProbe:", "x-probe:"),
    (wiring.probes, WORKER, "livenessProbe:", "x-probe:"),
    (wiring.state, SERVER, "replicas: 1", "replicas: 2"),
    (wiring.state, SERVER, "    type: Recreate", "    type: RollingUpdate"),
    (wiring.state, SERVER, "mountPath: /var/lib/prefect", "mountPath: /var/lib/server"),
    (wiring.state, "base/prefect-server/prefect-server.env", "lease_storage.filesystem", "lease_storage.memory"),
    (wiring.state, f"{COMPONENT}/high-availability.env", "BROKER=prefect_redis.messaging", "BROKER=prefect.server.utilities.messaging.memory"),
    (wiring.state, f"{COMPONENT}/high-availability.env", "LEASE_STORAGE=prefect_redis", "LEASE_STORAGE=prefect.server.concurrency"),
    (wiring.budgets, "base/prefect-worker/disruption-budget.yaml", "    matchLabels:\n      app.kubernetes.io/name: prefect-worker", "    matchLabels:\n      app.kubernetes.io/name: worker"),
    (wiring.budgets, "base/prefect-server/disruption-budget.yaml", "minAvailable: 1", "minAvailable: 2"),
    (wiring.budgets, f"{COMPONENT}/kustomization.yaml", "  - disruption-budget.yaml\n", ""),
    (wiring.budgets, WORKER, "    metadata:\n      labels:\n        app.kubernetes.io/name: prefect-worker", "    metadata:\n      labels:\n        app.kubernetes.io/name: worker"),
    (wiring.quota, "base/limits.yaml", 'requests.cpu: "24"', 'requests.cpu: "4"'),
    (wiring.quota, "base/limits.yaml", "limits.memory: 96Gi", "limits.memory: 8Gi"),
    (wiring.quota, "base/limits.yaml", "requests.ephemeral-storage: 160Gi", "requests.ephemeral-storage: 20Gi"),
    (wiring.quota, "base/limits.yaml", 'pods: "60"', 'pods: "6"'),
    (wiring.quota, "base/limits.yaml", "memory: 32Gi", "memory: 1Gi"),
    (wiring.accounts, "overlays/production/service-accounts.yaml", "pipeline@mg-dw-workbench.", "pipeline@mg-dw-workbench-staging."),
    (wiring.accounts, "overlays/production/service-accounts.yaml", "cloud-build@mg-dw-workbench.", "cloud-build@elsewhere."),
    (wiring.accounts, "overlays/production/service-accounts.yaml", "dbt-runner@mg-dw-workbench.", "pipeline@mg-dw-workbench."),
    (wiring.accounts, PRODUCTION, "instance=mg-dw-workbench:us-central1", "instance=mg-dw-workbench:europe-west1"),
    (wiring.accounts, PRODUCTION, "prefect-server%40", "pipeline%40"),
    (wiring.accounts, PRODUCTION, "5432/prefect", "5432/postgres"),
    (wiring.accounts, PRODUCTION, "newName: us-central1-docker.pkg.dev/mg-dw-workbench/mg-dw", "newName: us-central1-docker.pkg.dev/other/mg-dw"),
    (wiring.accounts, "overlays/production/flow-run.env", "gs://mg-dw-datalake", "gs://mg-dw-datalake-staging"),
    (wiring.accounts, POLICIES, "cidr: 10.20.0.0/22", "cidr: 10.21.0.0/22"),
    (wiring.settings, "base/flow-run.env", "MGDW_CHILDREN=", "MGDW_CHILD="),
    (wiring.settings, "base/flow-run.env", "MGDW_ALERTS=automations", "MGDW_ALERTS=slack"),
    (wiring.settings, "base/flow-run.env", "MGDW_WAREHOUSE=bigquery", "MGDW_WAREHOUSE=duckdb"),
    (wiring.settings, "overlays/production/flow-run.env", "https://rest.na.zuora.com", "http://rest.na.zuora.com"),
    (wiring.settings, "base/flow-run.env", "PREFECT_RESULTS_PERSIST_BY_DEFAULT", "PREFECT_RESULT_PERSIST_BY_DEFAULT"),
    (wiring.settings, "base/flow-run.env", "CONSOLE_FORMATTER", "CONSOLE_FORMAT"),
    (wiring.settings, "base/prefect-server/prefect-server.env", "PREFECT_SERVER_ANALYTICS_ENABLED", "PREFECT_ANALYTICS_ENABLED"),
    (wiring.settings, "base/prefect-worker/prefect-worker.env", "STORE_ENV_AS_SECRET", "STORE_ENV_IN_SECRET"),
    (wiring.settings, SERVER, "- name: PREFECT_SERVER_API_AUTH_STRING", "- name: PREFECT_SERVER_AUTH_STRING"),
    (wiring.server, SERVER, "            - --auto-iam-authn\n", ""),
    (wiring.server, SERVER, "          restartPolicy: Always\n", ""),
    (wiring.server, SERVER, "      containers:\n        - name: prefect-server", "      containers:\n        - name: server"),
    (wiring.server, "base/prefect-server/service.yaml", "port: 4200", "port: 80"),
    (wiring.server, "base/prefect-worker/prefect-worker.env", "OBSERVER_NAMESPACES=mg-dw", "OBSERVER_NAMESPACES=default"),
    (wiring.server, "base/prefect-worker/prefect-worker.env", "STORE_ENV_AS_SECRET=true", "STORE_ENV_AS_SECRET=false"),
)  # fmt: skip


def broken(folder: Path, file: str, old: str, new: str) -> Manifests:
    copy = folder / "k8s"
    shutil.copytree(K8S, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / file).read_text()
    assert old in text, f"{file} no longer says {old!r}"
    (copy / file).write_text(text.replace(old, new, 1))
    return Manifests.built(HIGH_AVAILABILITY if file.startswith(COMPONENT) else "production", copy)


@pytest.mark.parametrize(
    ("rule", "file", "old", "new"), BREAKS, ids=[f"{r.__name__}-{n}" for n, (r, *_) in enumerate(BREAKS)]
)
def test_the_rule_finds_what_is_broken(tmp_path: Path, rule: Rule, file: str, old: str, new: str) -> None:
    assert findings(rule, broken(tmp_path, file, old, new))


def findings(rule: Rule, manifests: Manifests) -> list[str]:
    """What the rule says; an object it looks for and does not find is a finding, too."""
    try:
        return rule(manifests)
    except (KeyError, ValueError) as gone:
        return [f"{gone} is not there"]


def test_every_rule_is_broken_at_least_once() -> None:
    assert {rule for rule, *_ in BREAKS} == set(RULES)
