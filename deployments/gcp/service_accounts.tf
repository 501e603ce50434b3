# Who runs what. `project` roles are those that cannot be given on anything smaller; what an account may do with a
# dataset, a bucket, a secret or the images stands beside that resource.
locals {
  accounts = {
    "pipeline" = {
      description = "Source flows, repair flows, doctor: sources to lake and STG; reads the marts for Tableau."
      kubernetes  = "pipeline"
      project     = ["roles/bigquery.jobUser"]
    }
    "dbt-runner" = {
      description = "dbt builds: STG to ODS and EDW. In Cloud Build, it also logs."
      kubernetes  = "dbt-runner"
      project     = ["roles/bigquery.jobUser", "roles/logging.logWriter"]
    }
    "prefect-worker" = {
      description = "Prefect's worker: makes the Jobs of flow runs in the cluster; nothing in Google Cloud."
      kubernetes  = "prefect-worker"
      project     = []
    }
    "prefect-server" = {
      description = "Prefect's server: signs in to its database."
      kubernetes  = "prefect-server"
      project     = ["roles/cloudsql.client", "roles/cloudsql.instanceUser"]
    }
    "cloud-build" = {
      description = "Builds of the default branch: pushes images, deploys to the cluster."
      kubernetes  = null
      project     = ["roles/logging.logWriter"]
    }
    "cloud-build-test" = {
      description = "Tests of pull requests: runs what anybody with a fork may have written, so it may only log."
      kubernetes  = null
      project     = ["roles/logging.logWriter"]
    }
    "gke-nodes" = {
      description = "Nodes of the cluster: logs, metrics, pulling images."
      kubernetes  = null
      project     = ["roles/container.defaultNodeServiceAccount"]
    }
  }

  members = { for name, account in google_service_account.this : name => account.member }

  project_roles = merge([
    for name, account in local.accounts : { for role in account.project : "${name}/${role}" => { account = name, role = role } }
  ]...)
}

resource "google_service_account" "this" {
  for_each = local.accounts

  project      = var.project_id
  account_id   = each.key
  display_name = "mg-dw ${each.key}"
  description  = each.value.description

  depends_on = [google_project_service.this["iam.googleapis.com"]]
}

resource "google_project_iam_member" "this" {
  for_each = local.project_roles

  project = var.project_id
  role    = each.value.role
  member  = local.members[each.value.account]
}

# People and Tableau pay for their queries with the project's quota as well.
resource "google_project_iam_member" "query" {
  for_each = setunion(var.developers, var.mart_readers)

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = each.key
}

# Workload Identity: a pod under the Kubernetes service account mg-dw/<name> is the Google account <name>, without a key.
# The pool exists once the project's first cluster does.
resource "google_service_account_iam_member" "workload_identity" {
  for_each = { for name, account in local.accounts : name => account.kubernetes if account.kubernetes != null }

  service_account_id = google_service_account.this[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project_id}.svc.id.goog[${local.namespace}/${each.value}]"

  depends_on = [google_container_cluster.this]
}
