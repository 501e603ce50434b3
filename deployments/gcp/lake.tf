# The lake. raw/<source>/<table>/<date>/<batch>/… is written once and kept; work/… is what a load job reads once.
resource "google_storage_bucket" "lake" {
  project                     = var.project_id
  name                        = var.lake_bucket
  location                    = var.location
  storage_class               = "STANDARD"
  labels                      = merge(local.labels, { content = "lake" })
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = local.deletion_policy

  # Objects are created under names that were never used and are not written again, so a second version of one never
  # arises; what soft delete keeps is the answer to a deletion by mistake.
  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = 14 * local.day_seconds
  }

  # Parts get colder, manifests do not: a replay lists all manifests of a table and then reads the parts it wants.
  dynamic "lifecycle_rule" {
    for_each = { NEARLINE = 30, COLDLINE = 120, ARCHIVE = 400 }

    content {
      action {
        type          = "SetStorageClass"
        storage_class = lifecycle_rule.key
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = ["raw/"]
        matches_suffix = local.part_suffixes
      }
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = var.raw_retention_days
      matches_prefix = ["raw/"]
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = var.work_retention_days
      matches_prefix = local.work_prefixes
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 2
    }
  }

  depends_on = [google_project_service.this["storage.googleapis.com"]]
}

locals {
  # How the names of parts end; `manifest.json` is none of them.
  part_suffixes = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"]

  # Small buckets, each for one thing: Prefect's GcsBucket block is safest without a folder.
  buckets = {
    results   = { purpose = "Prefect's task results, which let a repeated run skip what is done.", days = 30 }
    artifacts = { purpose = "dbt's manifest of the last deployment, which a slim build compares with, and its docs.", days = 400 }
  }
}

resource "google_storage_bucket" "this" {
  for_each = local.buckets

  project                     = var.project_id
  name                        = "${var.project_id}-${each.key}"
  location                    = var.location
  labels                      = merge(local.labels, { content = each.key })
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = local.deletion_policy

  # Here names are used again: a version is the way back.
  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 7 * local.day_seconds
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = each.value.days
    }
  }

  depends_on = [google_project_service.this["storage.googleapis.com"]]
}
