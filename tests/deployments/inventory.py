"""What has to be there, and the settings of it that matter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

from tests.deployments.configuration import GCP, Body, Configuration

DATASETS = {"STG", "ODS", "EDW", "DEV"}
KUBERNETES = {"pipeline", "dbt-runner", "prefect-worker", "prefect-server"}
APIS = {
    "google_artifact_registry": "artifactregistry", "google_bigquery": "bigquery", "google_billing": "billingbudgets",
    "google_cloudbuild": "cloudbuild", "google_compute": "compute", "google_container": "container",
    "google_logging": "logging", "google_monitoring": "monitoring", "google_pubsub": "pubsub",
    "google_secret_manager": "secretmanager", "google_service_account": "iam",
    "google_service_networking": "servicenetworking", "google_sql": "sqladmin", "google_storage": "storage",
}  # fmt: skip
ALERTS = {
    "flow-failed", "flow-lost", "slack-silent", "slack-refused", "raw-deleted", "restarting", "database-full",
    "egress-full", "secret-due", "quarantine", "scan-limit", "prefect-down",
}  # fmt: skip


def apis(configuration: Configuration) -> list[str]:
    """Resource types whose API is not turned on."""
    enabled = configuration.text
    kinds = {kind for kind, _, _ in configuration.resources()}
    needed = {api for prefix, api in APIS.items() if any(kind.startswith(prefix) for kind in kinds)}
    return [f"{api} is not enabled" for api in sorted(needed) if f'"{api}.googleapis.com",' not in enabled]


def datasets(configuration: Configuration) -> list[str]:
    """The four datasets, where they are, who writes, and that DEV forgets."""
    given = configuration.locals()["datasets"]
    found = [f"datasets are {sorted(given)}"] if set(given) != DATASETS else []
    found += [f"{name} has no description" for name, dataset in given.items() if not dataset["description"]]
    expiring = {name for name, dataset in given.items() if dataset["expires"] not in (None, "null")}
    found += [f"tables expire in {sorted(expiring)}"] if expiring != {"DEV"} else []
    for name, dataset in given.items():
        pipeline = "members.pipeline" in str(dataset["editors"])
        found += [f"the pipeline writes {name}: {pipeline}"] if pipeline != (name in {"STG", "DEV"}) else []
        found += [f"dbt-runner does not write {name}"] if "dbt-runner" not in str(dataset["editors"]) else []
    found += ["people read STG"] if "var." in str(given.get("STG")) else []
    body = configuration.resource("google_bigquery_dataset", "this")
    if body["location"] != "${var.location}" or body["for_each"] != "${local.datasets}":
        found.append("a dataset is elsewhere")
    bindings = {name for _, name, _ in configuration.resources("google_bigquery_dataset_iam_binding")}
    return found + [f"no {role} are bound" for role in ("editors", "readers") if role not in bindings]


def lake(configuration: Configuration) -> list[str]:
    """Lifecycle of the lake: raw gets colder and is kept, work goes, broken uploads go, deletions can be undone."""
    body = configuration.resource("google_storage_bucket", "lake")
    found = [] if body["name"] == "${var.lake_bucket}" and body["location"] == "${var.location}" else ["another bucket"]
    rules = [(rule["action"][0]["type"], rule["condition"][0]) for rule in body.get("lifecycle_rule", [])]
    deletions = {str(c.get("matches_prefix")): c.get("age") for action, c in rules if action == "Delete"}
    if deletions != {"['raw/']": "${var.raw_retention_days}", "${local.work_prefixes}": "${var.work_retention_days}"}:
        found.append(f"deleted are {deletions}")
    if not any(action == "AbortIncompleteMultipartUpload" for action, _ in rules):
        found.append("broken uploads stay")
    colder = [entry["lifecycle_rule"] for entry in body.get("dynamic", []) if "lifecycle_rule" in entry]
    if (
        not colder
        or list(colder[0]["for_each"]) != ["NEARLINE", "COLDLINE", "ARCHIVE"]
        or colder[0]["content"][0]["action"][0].get("storage_class") != "${lifecycle_rule.key}"
    ):
        found.append("raw does not get colder")
    elif "raw/" not in str(colder[0]["content"][0]["condition"][0].get("matches_prefix")):
        found.append("more than raw gets colder")
    kept = str(body.get("soft_delete_policy"))
    return found + ([] if "14 * local.day_seconds" in kept else ["a deletion cannot be undone for 14 days"])


def raw_is_written_once(configuration: Configuration) -> list[str]:
    """Whoever may delete in the lake may do so below a condition only."""
    found: list[str] = []
    for _, name, body in configuration.resources("google_storage_bucket_iam_member"):
        on_lake = "google_storage_bucket.lake" in body["bucket"]
        harmless = body["role"] in {
            "roles/storage.objectCreator",
            "roles/storage.objectViewer",
        }
        if on_lake and not harmless and "local.work_prefixes" not in str(body.get("condition")):
            found.append(f"{name} may delete raw data")
    return found + [f"{p} is written again" for p in configuration.locals()["work_prefixes"] if p.startswith("raw")]


def cluster(configuration: Configuration) -> list[str]:
    """Autopilot, private, with Workload Identity, Dataplane V2, a release channel and a maintenance window."""
    body = configuration.resource("google_container_cluster", "this")
    wanted = {
        "enable_autopilot": True, "datapath_provider": "ADVANCED_DATAPATH", "location": "${var.region}",
        "network": "${google_compute_network.this.id}", "subnetwork": "${google_compute_subnetwork.gke.id}",
    }  # fmt: skip
    found = [f"{name} is {body.get(name)!r}" for name, value in wanted.items() if body.get(name) != value]
    pool = body.get("workload_identity_config", [{}])[0].get("workload_pool")
    found += [] if pool == "${var.project_id}.svc.id.goog" else ["no Workload Identity"]
    found += [
        f"no {name}" for name in ("release_channel", "maintenance_policy", "secret_manager_config") if name not in body
    ]
    nodes = str(body.get("cluster_autoscaling"))
    return found + ([] if 'this["gke-nodes"]' in nodes else ["nodes run as the default account"])


def egress(configuration: Configuration) -> list[str]:
    """One fixed address for everything that leaves, and it is told."""
    nat = configuration.resource("google_compute_router_nat", "this")
    fixed = nat["nat_ip_allocate_option"] == "MANUAL_ONLY" and "address.egress" in str(nat["nat_ips"])
    told = "address.egress.address" in str(configuration.outputs().get("egress_address"))
    return ([] if fixed else ["the address changes"]) + ([] if told else ["the address is not told"])


def database(configuration: Configuration) -> list[str]:
    """The Prefect server's database: backups with point in time, and a user without a password."""
    settings = configuration.resource("google_sql_database_instance", "prefect")["settings"][0]
    backup = settings.get("backup_configuration", [{}])[0]
    user = configuration.resource("google_sql_user", "prefect_server")
    found = (
        [] if backup.get("enabled") is True and backup.get("point_in_time_recovery_enabled") is True else ["no backups"]
    )
    found += [] if user["type"] == "CLOUD_IAM_SERVICE_ACCOUNT" else ["the user has a password"]
    flags = {flag["name"]: flag["value"] for flag in settings.get("database_flags", [])}
    return found + ([] if flags.get("cloudsql.iam_authentication") == "on" else ["accounts cannot sign in"])


def registry(configuration: Configuration) -> list[str]:
    """Images: the newest are kept, the untagged go."""
    body = configuration.resource("google_artifact_registry_repository", "images")
    rules = {rule["id"]: rule for rule in body.get("cleanup_policies", [])}
    found = [] if body["repository_id"] == "mg-dw-docker-images" else ["another repository"]
    keep = rules.get("keep-newest", {})
    found += [] if keep.get("action") == "KEEP" and keep.get("most_recent_versions") else ["nothing is kept"]
    untagged = rules.get("delete-untagged", {})
    found += (
        []
        if untagged.get("action") == "DELETE" and "UNTAGGED" in str(untagged.get("condition"))
        else ["untagged images stay"]
    )
    return found + ([] if body.get("cleanup_policy_dry_run") is False else ["the rules only talk"])


def accounts(configuration: Configuration) -> list[str]:
    """Who runs in Kubernetes is bound to the service account of the same name, in the one namespace."""
    given = configuration.locals()["accounts"]
    bound = {name for name, account in given.items() if account["kubernetes"] not in (None, "null")}
    found = [f"in Kubernetes run {sorted(bound)}"] if bound != KUBERNETES else []
    found += [f"{name} is {given[name]['kubernetes']} there" for name in bound if given[name]["kubernetes"] != name]
    found += [f"{name} is not described" for name, account in given.items() if not account["description"]]
    binding = configuration.resource("google_service_account_iam_member", "workload_identity")
    member = "serviceAccount:${var.project_id}.svc.id.goog[${local.namespace}/${each.value}]"
    found += [] if binding["member"] == member else [f"bound is {binding['member']}"]
    return found + ([] if configuration.locals()["namespace"] == "mg-dw" else ["another namespace"])


def secrets(configuration: Configuration) -> list[str]:
    """Secrets that are rotated have a topic and a period; nobody is left out of the readers."""
    body = configuration.resource("google_secret_manager_secret", "this")
    dynamic = {label for entry in body.get("dynamic", []) for label in entry}
    found = [f"secrets have no {name}" for name in ("topics", "rotation") if name not in dynamic]
    names = configuration.locals()["secrets"]
    found += [
        f"{n} is a secret that nobody rotates"
        for n, s in names.items()
        if re.search(r"secret$|private-key$|auth-string$|webhook-url$", n) and s["rotated"] is not True
    ]
    readers = configuration.resource("google_secret_manager_secret_iam_member", "readers")
    return found + ([] if readers["for_each"] == "${local.secret_readers}" else ["some secrets are read by nobody"])


def builds(configuration: Configuration) -> list[str]:
    """Three triggers: pull requests under the account that may do nothing, the other two from the default branch."""
    test = configuration.resource("google_cloudbuild_trigger", "test")
    main = configuration.resource("google_cloudbuild_trigger", "main")
    found = [] if test["filename"] == "deployments/cloudbuild-test.yaml" else ["the tests are elsewhere"]
    found += [] if '"cloud-build-test"' in test["service_account"] else ["pull requests run under another account"]
    event = test["repository_event_config"][0]
    found += [] if "pull_request" in event and "push" not in event else ["tests do not run on pull requests"]
    found += [] if main["filename"] == "deployments/cloudbuild-${each.key}.yaml" else ["the builds are elsewhere"]
    found += [] if "push" in main["repository_event_config"][0] else ["builds do not run on pushes"]
    given = configuration.locals()["builds"]
    found += [] if set(given) == {"pipeline", "dbt"} else [f"builds are {sorted(given)}"]
    found += [
        f"{name} runs as {b['account']}"
        for name, b in given.items()
        if b["account"] not in {"cloud-build", "dbt-runner"}
    ]
    approval = str(main.get("approval_config"))
    return found + ([] if 'var.environment == "production"' in approval else ["production waits for nobody"])


def alerts(configuration: Configuration) -> list[str]:
    """Each alert is there, says what it is and links to what to do, and is sent."""
    values = configuration.locals()
    given = set(values["threshold_alerts"]) | set(values["sum_alerts"]) | {"prefect-down"}
    found = [f"alerts are {sorted(given)}"] if given != ALERTS else []
    for name, alert in {**values["threshold_alerts"], **values["sum_alerts"]}.items():
        found += [f"{name} has no {part}" for part in ("title", "severity", "text") if not alert.get(part)]
    for _, name, body in configuration.resources("google_monitoring_alert_policy"):
        documentation = body.get("documentation", [{}])[0]
        found += [f"{name} says nothing"] if not documentation.get("content") else []
        found += [f"{name} links nowhere"] if "local.alerts_url" not in str(documentation.get("links")) else []
        found += [f"{name} is sent to nobody"] if body.get("notification_channels") != "${local.channels}" else []
    return found


def metrics(configuration: Configuration, dashboard: str | None = None) -> list[str]:
    """Metrics nobody looks at, and metrics that are looked at but not made."""
    made = set(configuration.locals()["metrics"])
    dashboard = dashboard if dashboard is not None else (GCP / "dashboard.json.tftpl").read_text()
    queried = set(re.findall(r"user_mgdw_(\w+?)(?:_sum)?\{", configuration.text + dashboard))
    used = queried | set(re.findall(r'local\.metric\["(\w+)"\]', configuration.text))
    found = [f"metric {name} is made for nobody" for name in sorted(made - used)]
    found += [f"metric {name} is not made" for name in sorted(used - made)]
    for name, metric in configuration.locals()["metrics"].items():
        summed = f"user_mgdw_{name}_sum{{" in configuration.text + dashboard
        number = metric["value"] not in (None, "null")
        found += [f"{name} is no number to add up"] if summed and not number else []
    return found


def dashboard_page(values: dict[str, Any] | None = None) -> Body:
    """The dashboard as Monitoring gets it. Raises ValueError when that is not JSON."""
    text = (GCP / "dashboard.json.tftpl").read_text()
    for name, value in (values or {"limit": 1}).items():
        text = text.replace(f"${{{name}}}", str(value))
    return json.loads(re.sub(r"\$\{\w+\}", "x", text))


def budget(configuration: Configuration) -> list[str]:
    """A budget that tells before it is used up and when it is going to be."""
    body = configuration.resource("google_billing_budget", "this")
    fixed = [entry["threshold_rules"]["for_each"] for entry in body.get("dynamic", []) if "threshold_rules" in entry]
    forecast = "FORECASTED_SPEND" in str(body.get("threshold_rules"))
    found = [] if fixed == [[0.5, 0.8, 1.0]] and forecast else ["the budget tells too late"]
    return found + (
        [] if "notification_channel.email" in str(body.get("all_updates_rule")) else ["the budget tells nobody"]
    )


def audit(configuration: Configuration) -> list[str]:
    """Who read and changed data and secrets is kept."""
    body = configuration.resource("google_project_iam_audit_config", "this")
    kinds = {entry["log_type"] for entry in body["audit_log_config"]}
    found = [] if kinds == {"ADMIN_READ", "DATA_READ", "DATA_WRITE"} else [f"logged are {sorted(kinds)}"]
    found += [
        f"{s} is not logged"
        for s in ("bigquery", "secretmanager", "storage")
        if f"{s}.googleapis.com" not in str(body["for_each"])
    ]
    sink = configuration.resource("google_logging_project_sink", "audit")
    found += (
        [] if "google_logging_project_bucket_config.audit.id" in sink["destination"] else ["the audit log is not kept"]
    )
    days = configuration.resource("google_logging_project_bucket_config", "audit")["retention_days"]
    return found + ([] if days >= 365 else ["the audit log is forgotten within a year"])


def key_files(paths: Iterable[str]) -> list[str]:
    """Paths that must not be in the repository: keys, states, filled-in variables."""
    wrong = ("*.json", "*.pem", "*.p12", "*.key", "*.tfstate", "*.tfstate.*", "*.tfvars", "*.plan")
    return sorted(path for path in paths if any(fnmatch(path, pattern) for pattern in wrong))
