"""Least roles, nothing public, no keys and no secret values, labels and protection on everything that can have them."""

from __future__ import annotations

import re
from typing import Any

from tests.deployments.configuration import Configuration
from tests.deployments.spelling import provider

PROJECT_ROLES = {
    "pipeline": {"roles/bigquery.jobUser"},
    "dbt-runner": {"roles/bigquery.jobUser", "roles/logging.logWriter"},
    "prefect-worker": set[str](),
    "prefect-server": {"roles/cloudsql.client", "roles/cloudsql.instanceUser"},
    "cloud-build": {"roles/logging.logWriter"},
    "cloud-build-test": {"roles/logging.logWriter"},
    "gke-nodes": {"roles/container.defaultNodeServiceAccount"},
}
"""What an account may have on the whole project: one more is a decision, made here as well."""
CONNECT = {"container.clusters.connect", "container.clusters.get", "container.clusters.list"}
GRANTS = {
    "artifact_registry_repository_iam_member.images": ("${each.value}", "${local.members[each.key]}"),
    "bigquery_dataset_iam_binding.editors": ("roles/bigquery.dataEditor", "${each.value.editors}"),
    "bigquery_dataset_iam_binding.readers": ("roles/bigquery.dataViewer", "${local.datasets[each.key].readers}"),
    "project_iam_member.cluster_connect": (
        "${google_project_iam_custom_role.cluster_connect.name}", '${local.members["cloud-build"]}',
    ),
    "project_iam_member.query": ("roles/bigquery.jobUser", "${each.key}"),
    "project_iam_member.this": ("${each.value.role}", "${local.members[each.value.account]}"),
    "pubsub_topic_iam_member.rotation": (
        "roles/pubsub.publisher",
        "serviceAccount:service-${data.google_project.this.number}@gcp-sa-secretmanager.iam.gserviceaccount.com",
    ),
    "secret_manager_secret_iam_member.readers": (
        "roles/secretmanager.secretAccessor", "${local.members[each.value.account]}",
    ),
    "service_account_iam_member.workload_identity": (
        "roles/iam.workloadIdentityUser",
        "serviceAccount:${var.project_id}.svc.id.goog[${local.namespace}/${each.value}]",
    ),
    "storage_bucket_iam_member.lake_create": ("roles/storage.objectCreator", "${local.members.pipeline}"),
    "storage_bucket_iam_member.lake_read": ("roles/storage.objectViewer", "${local.members.pipeline}"),
    "storage_bucket_iam_member.lake_work": ("roles/storage.objectUser", "${local.members.pipeline}"),
    "storage_bucket_iam_member.writers": ("roles/storage.objectUser", "${local.members[each.value.account]}"),
}  # fmt: skip
"""Every grant there is: resource → role, and to whom."""
BUCKET_WRITERS = {("results", "pipeline"), ("results", "dbt-runner"), ("artifacts", "dbt-runner")}
IMAGE_ROLES = {
    ("cloud-build", "roles/artifactregistry.writer"), ("cloud-build-test", "roles/artifactregistry.reader"),
    ("dbt-runner", "roles/artifactregistry.reader"), ("gke-nodes", "roles/artifactregistry.reader"),
}  # fmt: skip
ESSENTIALS: dict[str, object] = {
    "google_bigquery_dataset.this.default_table_expiration_ms": "${each.value.expires}",
    "google_bigquery_dataset.this.description": "${each.value.description}",
    "google_cloudbuild_trigger.test.repository_event_config.pull_request.comment_control":
        "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY",
    "google_cloudbuild_trigger.test.repository_event_config.pull_request.branch": "^${var.default_branch}$",
    "google_cloudbuild_trigger.main.repository_event_config.push.branch": "^${var.default_branch}$",
    "google_compute_network.this.auto_create_subnetworks": False,
    "google_compute_router_nat.this.enable_dynamic_port_allocation": True,
    "google_compute_subnetwork.gke.private_ip_google_access": True,
    "google_container_cluster.this.control_plane_endpoints_config.dns_endpoint_config.allow_external_traffic": True,
    "google_container_cluster.this.master_authorized_networks_config.gcp_public_cidrs_access_enabled": False,
    "google_container_cluster.this.private_cluster_config.enable_private_endpoint":
        "${length(var.authorized_networks) == 0}",
    "google_container_cluster.this.rbac_binding_config.enable_insecure_binding_system_authenticated": False,
    "google_container_cluster.this.rbac_binding_config.enable_insecure_binding_system_unauthenticated": False,
    "google_secret_manager_secret.this.version_destroy_ttl": "${7 * local.day_seconds}s",
    "google_sql_database_instance.prefect.settings.deletion_protection_enabled": "${var.deletion_protection}",
    "google_sql_database_instance.prefect.settings.ip_configuration.private_network":
        "${google_compute_network.this.id}",
    "google_sql_database_instance.prefect.settings.ip_configuration.ssl_mode": "TRUSTED_CLIENT_CERTIFICATE_REQUIRED",
}  # fmt: skip
"""Arguments whose absence nothing else would notice: resource, its name, blocks, argument → value."""
EXPECTED_SECRET_READERS = {
    "prefect-server-api-auth-string": {"pipeline", "dbt-runner", "prefect-server", "prefect-worker", "cloud-build"},
    "slack-webhook-url": {"pipeline", "dbt-runner", "prefect-server"},
}
"""All others are for the pipeline alone."""


def too_many_roles(configuration: Configuration) -> list[str]:
    """Roles beyond what each account and each kind of resource may have."""
    found: list[str] = []
    for account, body in configuration.locals()["accounts"].items():
        found += [f"{account} has {role}" for role in body["project"] if role not in PROJECT_ROLES.get(account, ())]
    custom = configuration.resource("google_project_iam_custom_role", "cluster_connect")["permissions"]
    return found + [f"cluster_connect may {permission}" for permission in custom if permission not in CONNECT]


def grants(configuration: Configuration) -> list[str]:
    """Whatever is given to somebody and is not in `GRANTS`, and what is there and is not given."""
    given = {
        f"{kind.removeprefix('google_')}.{name}": (body["role"], str(body.get("member") or body.get("members")))
        for kind, name, body in configuration.resources()
        if "_iam_" in kind and "role" in body
    }
    found = [f"{name} gives {what}" for name, what in given.items() if GRANTS.get(name) != what]
    found += [f"{name} is not given" for name in sorted(set(GRANTS) - set(given))]
    writers = {(w["bucket"], w["account"]) for w in configuration.locals()["bucket_writers"].values()}
    found += [f"{account} and {bucket}: not as it should be" for bucket, account in sorted(writers ^ BUCKET_WRITERS)]
    images = set(configuration.locals()["image_roles"].items())
    return found + [f"{account} and {role}: not as it should be" for account, role in sorted(images ^ IMAGE_ROLES)]


def essentials(configuration: Configuration) -> list[str]:
    """Arguments of `ESSENTIALS` that are missing or say something else."""
    found: list[str] = []
    for path, wanted in ESSENTIALS.items():
        kind, name, *blocks, argument = path.split(".")
        body = configuration.resource(kind, name)
        for block in blocks:
            body = (body.get(block) or [{}])[0]
        found += [] if body.get(argument) == wanted else [f"{path} is {body.get(argument)!r}"]
    return found


def wide_roles(configuration: Configuration) -> list[str]:
    """Primitive roles, admin roles and IAM resources that rule a whole project."""
    found = re.findall(r"roles/(?:owner|editor|viewer|browser|[\w.]*[aA]dmin)\b", configuration.text)
    kinds = {kind for kind, _, _ in configuration.resources()}
    return [*found, *(k for k in kinds if re.search(r"google_(project|folder|organization)_iam_(policy|binding)$", k))]


def strangers(configuration: Configuration) -> list[str]:
    """Members that are everybody."""
    return re.findall(r"\b(?:allUsers|allAuthenticatedUsers|domain:)\b", configuration.text)


def keys_and_values(configuration: Configuration) -> list[str]:
    """Service account keys, secret versions, passwords: whatever would bring a secret into files or state."""
    forbidden = {"google_service_account_key", "google_secret_manager_secret_version", "google_storage_hmac_key"}
    found = [f"{kind}.{name}" for kind, name, _ in configuration.resources() if kind in forbidden]
    for kind, name, body in configuration.resources():
        found += [
            f"{kind}.{name}.{key}"
            for key in _keys(body)
            if re.fullmatch(r"(\w*password\w*|\w*auth_token|sensitive_labels)", key)
        ]
    return found + re.findall(r"-----BEGIN|\bAIza\w+|\bxox[bp]-\w+|hooks\.slack\.com/services/\w+", configuration.text)


def secret_readers(configuration: Configuration) -> list[str]:
    """Secrets that others than expected may read."""
    return [
        f"{name} is read by {sorted(secret['used_by'])}"
        for name, secret in configuration.locals()["secrets"].items()
        if set(secret["used_by"]) != EXPECTED_SECRET_READERS.get(name, {"pipeline"})
    ]


def unlabelled(configuration: Configuration) -> list[str]:
    """Resources that could carry labels and carry none of ours."""
    found: list[str] = []
    for kind, name, body in configuration.resources():
        attributes = provider()["types"].get(kind, {"attributes": {}})["attributes"]
        # A notification channel's `labels` are its address; its labels are `user_labels`.
        wanted = [a for a in ("user_labels", "resource_labels", "labels") if a in attributes][:1]
        carrier = body
        if kind == "google_sql_database_instance":
            carrier, wanted = body["settings"][0], ["user_labels"]
        found += [f"{kind}.{name}" for attribute in wanted if "local.labels" not in str(carrier.get(attribute))]
    return found


def unprotected(configuration: Configuration) -> list[str]:
    """What holds data and would go with one wrong destroy."""
    held = {
        "google_bigquery_dataset": ("deletion_policy", "${local.deletion_policy}"),
        "google_storage_bucket": ("deletion_policy", "${local.deletion_policy}"),
        "google_artifact_registry_repository": ("deletion_policy", "${local.deletion_policy}"),
        "google_compute_address": ("deletion_policy", "${local.deletion_policy}"),
        "google_container_cluster": ("deletion_protection", "${var.deletion_protection}"),
        "google_secret_manager_secret": ("deletion_protection", "${var.deletion_protection}"),
        "google_sql_database_instance": ("deletion_protection", "${var.deletion_protection}"),
    }
    found = [
        f"{kind}.{name}"
        for kind, name, body in configuration.resources()
        if kind in held and body.get(held[kind][0]) != held[kind][1]
    ]
    forced = [
        f"{k}.{n}"
        for k, n, b in configuration.resources()
        if b.get("force_destroy") or b.get("delete_contents_on_destroy")
    ]
    default = configuration.variables()["deletion_protection"].get("default")
    return found + forced + ([] if default is True else ["deletion_protection is off by default"])


def open_doors(configuration: Configuration) -> list[str]:
    """Public buckets, public database, public nodes, networks as wide as the internet."""
    found: list[str] = []
    for _, name, body in configuration.resources("google_storage_bucket"):
        closed = body.get("uniform_bucket_level_access") is True and body.get("public_access_prevention") == "enforced"
        found += [] if closed else [f"bucket {name}"]
    database = configuration.resource("google_sql_database_instance", "prefect")["settings"][0]
    access = database["ip_configuration"][0]
    found += [] if access["ipv4_enabled"] is False and "authorized_networks" not in access else ["database address"]
    found += [] if database.get("connector_enforcement") == "REQUIRED" else ["database without proxy"]
    cluster = configuration.resource("google_container_cluster", "this")
    found += [] if cluster["private_cluster_config"][0]["enable_private_nodes"] is True else ["nodes"]
    found += [] if "cidr_blocks" in str(cluster.get("master_authorized_networks_config")) else ["control plane"]
    return found + re.findall(r"\b0\.0\.0\.0/0", configuration.text)


def _keys(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for entry in value for key in _keys(entry)]
    return [k for key, inner in value.items() for k in (key, *_keys(inner))] if isinstance(value, dict) else []
