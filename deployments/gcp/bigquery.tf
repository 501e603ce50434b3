locals {
  # The four datasets, and who may do what in each. Owners are left to the project's own.
  datasets = {
    STG = {
      description = "Staging: every source's tables as received and typed, all brands, with ledger and quarantine; dbt's staging views."
      expires     = null
      # dbt-runner writes here as well: its staging views live beside the tables they read.
      editors = [local.members.pipeline, local.members["dbt-runner"]]
      readers = [] # all brands are here: people look at ODS
    }
    ODS = {
      description = "Operational data store: current state, Commercial brands only. Built by dbt."
      expires     = null
      editors     = [local.members["dbt-runner"]]
      readers     = setunion([local.members.pipeline], var.developers)
    }
    EDW = {
      description = "Enterprise data warehouse: dimensions, facts and marts that Tableau reads. Built by dbt."
      expires     = null
      editors     = [local.members["dbt-runner"]]
      readers     = setunion([local.members.pipeline], var.developers, var.mart_readers)
    }
    DEV = {
      description = "Development: the whole of dbt's target dev, STG tables too. Tables are deleted after 30 days."
      expires     = 30 * local.day_seconds * 1000
      editors     = setunion([local.members.pipeline, local.members["dbt-runner"]], var.developers)
      readers     = []
    }
  }
}

resource "google_bigquery_dataset" "this" {
  for_each = local.datasets

  project                     = var.project_id
  dataset_id                  = each.key
  location                    = var.location
  description                 = each.value.description
  labels                      = merge(local.labels, { layer = lower(each.key) })
  default_table_expiration_ms = each.value.expires
  max_time_travel_hours       = "168"
  delete_contents_on_destroy  = false
  deletion_policy             = local.deletion_policy

  depends_on = [google_project_service.this["bigquery.googleapis.com"]]
}

# Bindings, not single members: each is all there is of its role, so the editors and viewers of the project, whom
# BigQuery lets into a new dataset, are out again.
resource "google_bigquery_dataset_iam_binding" "editors" {
  for_each = local.datasets

  project    = var.project_id
  dataset_id = google_bigquery_dataset.this[each.key].dataset_id
  role       = "roles/bigquery.dataEditor"
  members    = each.value.editors
}

resource "google_bigquery_dataset_iam_binding" "readers" {
  for_each = toset(["ODS", "EDW"])

  project    = var.project_id
  dataset_id = google_bigquery_dataset.this[each.key].dataset_id
  role       = "roles/bigquery.dataViewer"
  members    = local.datasets[each.key].readers
}
