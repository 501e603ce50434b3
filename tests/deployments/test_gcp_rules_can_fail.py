# ruff: noqa: E501 - the table quotes our files as they stand
"""Each rule finds what it is for: a copy of the files, broken on purpose in one place."""

from __future__ import annotations

import lark
import pytest

from tests.deployments import inventory, references, safety, spelling
from tests.deployments.configuration import Configuration
from tests.deployments.test_gcp_files import RULES, Rule

BREAKS: tuple[tuple[Rule, str, str, str], ...] = (
    (spelling.misspelt, "lake.tf", "force_destroy", "force_destory"),
    (spelling.misspelt, "network.tf", 'network                  = google_compute_network.this.id\n', ""),
    (spelling.misspelt, "lake.tf", "soft_delete_policy {", "soft_delete_polcy {"),
    (spelling.misspelt, "lake.tf", "retention_duration_seconds = 14", "retention_seconds = 14"),
    (spelling.misspelt, "gke.tf", "enable_autopilot    = true", 'enable_autopilot    = "yes"'),
    (spelling.misspelt, "database.tf", "disk_size                   = 10", "disk_size = [10]"),
    (spelling.misspelt, "gke.tf", "release_channel {", "release_channel = {"),
    (spelling.misspelt, "lake.tf", "labels                      = merge(local.labels, { content = \"lake\" })", "labels {\n}"),
    (spelling.misspelt, "registry.tf", 'resource "google_artifact_registry_repository"', 'resource "google_artifact_registry_repo"'),
    (spelling.misspelt, "gke.tf", "  release_channel {\n    channel = var.release_channel\n  }\n", "  release_channel {\n  }\n  release_channel {\n  }\n"),
    (spelling.misspelt, "gke.tf", "display_name = cidr_blocks.key", "label = cidr_blocks.key"),
    (spelling.misspelt, "locals.tf", "project_id = var.project_id", "project = var.project_id\n  folder = 1"),
    (spelling.misspelt, "versions.tf", "billing_project", "bill_project"),
    (spelling.wrong_provider, "versions.tf", "~> 8.7", "~> 7.0"),
    (references.dangling, "gke.tf", "var.region", "var.regoin"),
    (references.dangling, "lake.tf", "local.day_seconds", "local.daily_seconds"),
    (references.dangling, "gke.tf", "google_compute_network.this.id", "google_compute_network.main.id"),
    (references.dangling, "network.tf", "egress.self_link", "egress.selflink"),
    (references.dangling, "locals.tf", 'data "google_project" "this"', 'data "google_project" "here"'),
    (references.unused, "variables.tf", 'variable "region"', 'variable "nobody" {\n}\n\nvariable "region"'),
    (references.unused, "locals.tf", "day_seconds = 86400", "day_seconds = 86400\n  hour_seconds = 3600"),
    (references.unused, "locals.tf", 'data "google_project" "this"', 'data "google_project" "that"'),
    (references.each_without_for_each, "apis.tf", "  for_each = local.apis\n", ""),
    (references.undescribed, "variables.tf", '  description = "Days between two reminders to rotate a secret."\n', ""),
    (references.undescribed, "variables.tf", '  type        = number\n  default     = 90\n', "  default = 90\n"),
    (references.undescribed, "outputs.tf", '  description = "The dashboard\'s page."\n', ""),
    (safety.too_many_roles, "service_accounts.tf", '["roles/bigquery.jobUser"]', '["roles/bigquery.jobUser", "roles/bigquery.dataEditor"]'),
    (safety.too_many_roles, "service_accounts.tf", "      project     = []", '      project     = ["roles/container.developer"]'),
    (safety.grants, "secrets.tf", "roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionManager"),
    (safety.grants, "iam.tf", '"gke-nodes"        = "roles/artifactregistry.reader"', '"gke-nodes" = "roles/artifactregistry.writer"'),
    (safety.too_many_roles, "iam.tf", '"container.clusters.connect", ', '"container.clusters.connect", "container.clusters.update", '),
    (safety.grants, "iam.tf", 'resource "google_storage_bucket_iam_member" "lake_create" {', 'resource "google_storage_bucket_iam_member" "tests_read" {\n  bucket = google_storage_bucket.lake.name\n  role = "roles/storage.objectViewer"\n  member = local.members["cloud-build-test"]\n}\n\nresource "google_storage_bucket_iam_member" "lake_create" {'),
    (safety.grants, "iam.tf", 'resource "google_storage_bucket_iam_member" "lake_read"', 'resource "google_storage_bucket_iam_member" "lake_look"'),
    (safety.grants, "iam.tf", '"results/dbt-runner"   = { bucket = "results", account = "dbt-runner" }', '"results/dbt-runner"   = { bucket = "results", account = "cloud-build-test" }'),
    (safety.grants, "service_accounts.tf", 'for_each = setunion(var.developers, var.mart_readers)\n\n  project = var.project_id\n  role    = "roles/bigquery.jobUser"', 'for_each = setunion(var.developers, var.mart_readers)\n\n  project = var.project_id\n  role    = "roles/bigquery.dataViewer"'),
    (inventory.audit, "audit.tf", 'destination            = "logging.googleapis.com/${google_logging_project_bucket_config.audit.id}"', 'destination = "logging.googleapis.com/elsewhere"'),
    (safety.essentials, "bigquery.tf", "  default_table_expiration_ms = each.value.expires\n", ""),
    (safety.essentials, "build.tf", '      comment_control = "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"\n', ""),
    (safety.essentials, "build.tf", '      branch = "^${var.default_branch}$"\n', '      branch = ".*"\n'),
    (safety.essentials, "database.tf", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
    (safety.essentials, "gke.tf", "enable_insecure_binding_system_unauthenticated = false", "enable_insecure_binding_system_unauthenticated = true"),
    (safety.grants, "iam.tf", '    "gke-nodes"        = "roles/artifactregistry.reader"\n', ""),
    (inventory.lake, "lake.tf", "        storage_class = lifecycle_rule.key\n", ""),
    (safety.wide_roles, "service_accounts.tf", '"roles/cloudsql.client"', '"roles/editor"'),
    (safety.wide_roles, "iam.tf", "roles/storage.objectUser", "roles/storage.objectAdmin"),
    (safety.wide_roles, "service_accounts.tf", 'resource "google_project_iam_member" "this"', 'resource "google_project_iam_binding" "this"'),
    (safety.strangers, "iam.tf", "member = local.members.pipeline", 'member = "allUsers"'),
    (safety.strangers, "bigquery.tf", "editors     = [local.members[\"dbt-runner\"]]", 'editors     = ["allAuthenticatedUsers"]'),
    (safety.keys_and_values, "secrets.tf", 'resource "google_secret_manager_secret_iam_member"', 'resource "google_secret_manager_secret_version"'),
    (safety.keys_and_values, "database.tf", '  type            = "CLOUD_IAM_SERVICE_ACCOUNT"', '  password        = "x"'),
    (safety.keys_and_values, "variables.tf", "default     = 90", 'default = "-----BEGIN PRIVATE KEY-----"'),
    (safety.secret_readers, "secrets.tf", '"zuora-client-secret"      = { used_by = ["pipeline"]', '"zuora-client-secret" = { used_by = ["pipeline", "cloud-build-test"]'),
    (safety.unlabelled, "network.tf", '  address_type = "EXTERNAL"\n  labels       = local.labels\n', '  address_type = "EXTERNAL"\n'),
    (safety.unlabelled, "gke.tf", "resource_labels     = local.labels", "resource_labels     = {}"),
    (safety.unlabelled, "database.tf", "    user_labels                 = local.labels\n", ""),
    (safety.unlabelled, "monitoring.tf", "  user_labels  = local.labels\n", ""),
    (safety.unprotected, "bigquery.tf", "local.deletion_policy", '"DELETE"'),
    (safety.unprotected, "gke.tf", "deletion_protection = var.deletion_protection", "deletion_protection = false"),
    (safety.unprotected, "lake.tf", "force_destroy               = false", "force_destroy               = true"),
    (safety.unprotected, "variables.tf", "type        = bool\n  default     = true", "type        = bool\n  default     = false"),
    (safety.open_doors, "lake.tf", 'public_access_prevention    = "enforced"', 'public_access_prevention    = "inherited"'),
    (safety.open_doors, "database.tf", "ipv4_enabled    = false", "ipv4_enabled    = true"),
    (safety.open_doors, "database.tf", '    connector_enforcement       = "REQUIRED"\n', ""),
    (safety.open_doors, "gke.tf", "enable_private_nodes = true", "enable_private_nodes = false"),
    (safety.open_doors, "gke.tf", "cidr_block   = cidr_blocks.value", 'cidr_block   = "0.0.0.0/0"'),
    (inventory.apis, "apis.tf", '    "sqladmin.googleapis.com",\n', ""),
    (inventory.datasets, "bigquery.tf", "    ODS = {", "    OSD = {"),
    (inventory.datasets, "bigquery.tf", "expires     = 30 * local.day_seconds * 1000", "expires     = null"),
    (inventory.datasets, "bigquery.tf", "readers = [] # all", "readers = var.developers # all"),
    (inventory.datasets, "bigquery.tf", "      editors     = [local.members[\"dbt-runner\"]]", "      editors     = [local.members[\"dbt-runner\"], local.members.pipeline]"),
    (inventory.datasets, "bigquery.tf", "= var.location", '= "EU"'),
    (inventory.datasets, "bigquery.tf", 'iam_binding" "readers"', 'iam_binding" "lookers"'),
    (inventory.lake, "lake.tf", "age            = var.raw_retention_days", "age            = 30"),
    (inventory.lake, "lake.tf", "matches_prefix = local.work_prefixes", 'matches_prefix = ["raw/salesforce"]'),
    (inventory.lake, "lake.tf", "AbortIncompleteMultipartUpload", "Delete"),
    (inventory.lake, "lake.tf", "{ NEARLINE = 30, COLDLINE = 120, ARCHIVE = 400 }", "{ NEARLINE = 30 }"),
    (inventory.lake, "lake.tf", "        matches_prefix = [\"raw/\"]\n        matches_suffix", "        matches_suffix"),
    (inventory.lake, "lake.tf", "retention_duration_seconds = 14 *", "retention_duration_seconds = 0 *"),
    (inventory.raw_is_written_once, "iam.tf", '  role   = "roles/storage.objectCreator"', '  role   = "roles/storage.objectUser"'),
    (inventory.raw_is_written_once, "iam.tf", '["work/", ', '["work/", "raw/", '),
    (inventory.cluster, "gke.tf", "enable_autopilot    = true", "enable_autopilot    = false"),
    (inventory.cluster, "gke.tf", "ADVANCED_DATAPATH", "LEGACY_DATAPATH"),
    (inventory.cluster, "gke.tf", "${var.project_id}.svc.id.goog", "other.svc.id.goog"),
    (inventory.cluster, "gke.tf", 'this["gke-nodes"]', 'this["pipeline"]'),
    (inventory.cluster, "gke.tf", "  release_channel {\n    channel = var.release_channel\n  }\n", ""),
    (inventory.egress, "network.tf", "MANUAL_ONLY", "AUTO_ONLY"),
    (inventory.egress, "outputs.tf", "google_compute_address.egress.address", "var.region"),
    (inventory.database, "database.tf", "point_in_time_recovery_enabled = true", "point_in_time_recovery_enabled = false"),
    (inventory.database, "database.tf", '"CLOUD_IAM_SERVICE_ACCOUNT"', '"BUILT_IN"'),
    (inventory.database, "database.tf", '"cloudsql.iam_authentication"', '"cloudsql.enable_pgaudit"'),
    (inventory.registry, "registry.tf", 'action = "KEEP"', 'action = "DELETE"'),
    (inventory.registry, "registry.tf", '"UNTAGGED"', '"TAGGED"'),
    (inventory.registry, "registry.tf", "cleanup_policy_dry_run = false", "cleanup_policy_dry_run = true"),
    (inventory.accounts, "service_accounts.tf", '      kubernetes  = "dbt-runner"', '      kubernetes  = "dbt"'),
    (inventory.accounts, "service_accounts.tf", "[${local.namespace}/${each.value}]", "[default/${each.value}]"),
    (inventory.accounts, "locals.tf", 'namespace = "mg-dw"', 'namespace = "default"'),
    (inventory.secrets, "secrets.tf", 'dynamic "rotation"', 'dynamic "topics"'),
    (inventory.secrets, "secrets.tf", '"zuora-client-secret"      = { used_by = ["pipeline"], rotated = true }', '"zuora-client-secret" = { used_by = ["pipeline"], rotated = false }'),
    (inventory.builds, "build.tf", 'this["cloud-build-test"]', 'this["cloud-build"]'),
    (inventory.builds, "build.tf", "cloudbuild-test.yaml", "cloudbuild-pipeline.yaml"),
    (inventory.builds, "build.tf", "    pull_request {", "    push {"),
    (inventory.builds, "build.tf", 'var.environment == "production"', "false"),
    (inventory.alerts, "monitoring.tf", '    "secret-due" = {', '    "secret-old" = {'),
    (inventory.alerts, "monitoring.tf", '      text     = "Secret Manager\'s reminder. Nothing stops working by itself."\n', ""),
    (inventory.alerts, "monitoring.tf", "  notification_channels = local.channels\n", ""),
    (inventory.alerts, "monitoring.tf", 'url          = "${local.alerts_url}#prefect-down"', 'url          = "https://example.com"'),
    (inventory.metrics, "metrics.tf", '    "raw_deletions" = {', '    "raw_deleted" = {'),
    (inventory.metrics, "metrics.tf", 'value       = "REGEXP_EXTRACT(jsonPayload.message, \\"^quarantined [a-z0-9_]+: ([0-9]+) rows\\")"', "value = null"),
    (inventory.budget, "budget.tf", "[0.5, 0.8, 1.0]", "[1.0]"),
    (inventory.budget, "budget.tf", '"FORECASTED_SPEND"', '"CURRENT_SPEND"'),
    (inventory.budget, "budget.tf", "google_monitoring_notification_channel.email : channel.id", "var.slack_channels : channel"),
    (inventory.audit, "audit.tf", '  audit_log_config {\n    log_type = "DATA_READ"\n  }\n', ""),
    (inventory.audit, "audit.tf", '"bigquery.googleapis.com", ', ""),
    (inventory.audit, "audit.tf", "retention_days   = 400", "retention_days   = 30"),
)  # fmt: skip


def broken(file: str, old: str, new: str) -> Configuration:
    files = Configuration.here().files
    assert old in files[file], f"{file} no longer says {old!r}"
    return Configuration({**files, file: files[file].replace(old, new, 1)})


@pytest.mark.parametrize(
    ("rule", "file", "old", "new"), BREAKS, ids=[f"{r.__name__}-{n}" for n, (r, *_) in enumerate(BREAKS)]
)
def test_the_rule_finds_what_is_broken(rule: Rule, file: str, old: str, new: str) -> None:
    assert findings(rule, broken(file, old, new))


def findings(rule: Rule, configuration: Configuration) -> list[str]:
    """What the rule says; a resource it looks for and does not find is a finding, too."""
    try:
        return rule(configuration)
    except KeyError as gone:
        return [f"{gone} is not there"]


def test_every_rule_is_broken_at_least_once() -> None:
    assert {rule for rule, *_ in BREAKS} == set(RULES)


def test_a_file_that_does_not_parse_is_an_error() -> None:
    with pytest.raises(lark.exceptions.LarkError):
        assert broken("lake.tf", "force_destroy               = false", "force_destroy = ").blocks
