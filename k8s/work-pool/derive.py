"""Makes `base-job-template.json` of the work pool `mg-dw` out of the one the installed Prefect ships.

`python k8s/work-pool/derive.py` writes it anew; a test compares, so that an upgrade of Prefect shows up as a diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefect_kubernetes.worker import KubernetesWorker

TARGET = Path(__file__).with_name("base-job-template.json")

COMPONENT = {"app.kubernetes.io/component": "flow-run"}
"""Label that NetworkPolicies select; one that Prefect, which sets `name`, `part-of` and others itself, leaves alone."""

ENVIRONMENT = "flow-run-environment"
"""ConfigMap with the environment of every run; what the worker and a deployment's `env` add wins over it."""

QUANTITY = r"^[1-9][0-9]*(\.[0-9]+)?(m|Ki|Mi|Gi)?$"

RESOURCES: dict[str, dict[str, Any]] = {
    "cpu": {
        "title": "CPU",
        "description": "vCPU of the run, request and limit in one: 500m, 2. Autopilot wants 1 to 6.5 GiB of memory for "
        "each, and 500m at least for a pod that is not to be evicted.",
        "default": "500m",
    },
    "memory": {
        "title": "Memory",
        "description": "Memory of the run, request and limit in one: 2Gi. A run that needs more is killed (OOMKilled).",
        "default": "2Gi",
    },
    "ephemeral_storage": {
        "title": "Ephemeral storage",
        "description": "What the run may write below /tmp, logs included, request and limit in one: 2Gi; Autopilot "
        "gives 10Gi at most.",
        "default": "2Gi",
    },
}

VARIABLES: dict[str, dict[str, Any]] = {
    **{name: {"type": "string", "pattern": QUANTITY, **variable} for name, variable in RESOURCES.items()},
    "active_deadline_seconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": 86400,
        "title": "Active deadline seconds",
        "description": "Seconds from the Job's creation after which Kubernetes ends it, whatever it does or waits for: "
        "a node, an image, a source that hangs.",
        "default": 14400,
    },
    "termination_grace_period_seconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": 600,
        "title": "Termination grace period seconds",
        "description": "Seconds between SIGTERM and SIGKILL, in which an evicted run says that it is to be run again. "
        "Spot nodes give 25 at most.",
        "default": 60,
    },
    "node_selector": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "title": "Node selector",
        "description": 'Labels a node must have. {"cloud.google.com/gke-spot": "true"} is cheaper and evicted at any '
        "time: for what can be repeated, with safe_to_evict true.",
        "default": {},
    },
    "safe_to_evict": {
        "type": "string",
        "enum": ["true", "false"],
        "title": "Safe to evict",
        "description": '"false" keeps the run out of the way of node upgrades and scale-down for up to 7 days.',
        "default": "false",
    },
}


def template() -> dict[str, Any]:
    """Prefect's default base job template with what GKE Autopilot and Pod Security "restricted" ask for."""
    base = KubernetesWorker.get_default_base_job_template()
    configuration, variables = base["job_configuration"], base["variables"]["properties"]

    # In-cluster only: a block with another cluster's credentials is nothing a deployment should be able to name.
    del configuration["cluster_config"], variables["cluster_config"], base["variables"]["definitions"]
    for name in ("cpu_request", "cpu_limit", "memory_request", "memory_limit"):
        del variables[name]
    variables.update(VARIABLES)

    # Without an image Prefect would run its own newest; a misspelt variable would be dropped in silence.
    variables["image"] = {
        "type": "string",
        "minLength": 1,
        "title": "Image",
        "description": "The image that runs, by digest: `mgdw deploy` sets it.",
    }
    base["variables"].update(required=["image"], additionalProperties=False)
    variables["namespace"]["default"] = "mg-dw"
    variables["service_account_name"] = {
        "type": "string",
        "enum": ["pipeline", "dbt-runner"],
        "title": "Service account name",
        "description": "Who the run is, in Kubernetes and in Google Cloud.",
        "default": "pipeline",
    }
    variables["finished_job_ttl"]["default"] = 86400
    variables["labels"]["default"] = {"app.kubernetes.io/part-of": "mg-dw"}

    spec = configuration["job_manifest"]["spec"]
    spec["activeDeadlineSeconds"] = "{{ active_deadline_seconds }}"
    # Else a pod that is being evicted counts as failed while Prefect in it still says that it is to run again, and the
    # worker's observer may be quicker and call the run crashed.
    spec["podReplacementPolicy"] = "Failed"
    spec["template"]["metadata"] = {
        "labels": dict(COMPONENT),
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "{{ safe_to_evict }}"},
    }
    # `parallelism` and `completions` mean nothing in a pod's spec, but the worker refuses a template without them.
    spec["template"]["spec"].update(
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        nodeSelector="{{ node_selector }}",
        securityContext={
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "runAsGroup": 1001,
            "fsGroup": 1001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        terminationGracePeriodSeconds="{{ termination_grace_period_seconds }}",
        volumes=[{"name": "tmp", "emptyDir": {"sizeLimit": "{{ ephemeral_storage }}"}}],
    )
    amounts = {
        "cpu": "{{ cpu }}",
        "memory": "{{ memory }}",
        "ephemeral-storage": "{{ ephemeral_storage }}",
    }
    spec["template"]["spec"]["containers"][0].update(
        # The worker's own command comes behind it, as `args`.
        command=["python", "-m", "flows.await_server"],
        envFrom=[{"configMapRef": {"name": ENVIRONMENT}}],
        resources={"requests": dict(amounts), "limits": dict(amounts)},
        securityContext={
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        terminationMessagePolicy="FallbackToLogsOnError",
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own, empty at its start
    )
    return base


def text() -> str:
    """The file's content."""
    return json.dumps(template(), indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
