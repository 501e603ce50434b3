# Secrets by name, without values: nothing here, in a plan or in the state shows one. A person adds versions
# (README.md, "By hand"). The names are those that `secret://` resolves; docs/settings.md lists them.
locals {
  secrets = {
    "netsuite-certificate-id"  = { used_by = ["pipeline"], rotated = false }
    "netsuite-client-id"       = { used_by = ["pipeline"], rotated = false }
    "netsuite-consumer-secret" = { used_by = ["pipeline"], rotated = true }
    "netsuite-private-key"     = { used_by = ["pipeline"], rotated = true }
    "netsuite-token-id"        = { used_by = ["pipeline"], rotated = true }
    "netsuite-token-secret"    = { used_by = ["pipeline"], rotated = true }
    "s3-access-key-id"         = { used_by = ["pipeline"], rotated = true }
    "s3-external-id"           = { used_by = ["pipeline"], rotated = false }
    "s3-secret-access-key"     = { used_by = ["pipeline"], rotated = true }
    "s3-session-token"         = { used_by = ["pipeline"], rotated = false }
    "sfdc-client-id"           = { used_by = ["pipeline"], rotated = false }
    "sfdc-client-secret"       = { used_by = ["pipeline"], rotated = true }
    "sfdc-private-key"         = { used_by = ["pipeline"], rotated = true }
    "sfdc-username"            = { used_by = ["pipeline"], rotated = false }
    "sfdc-next-client-id"      = { used_by = ["pipeline"], rotated = false }
    "sfdc-next-client-secret"  = { used_by = ["pipeline"], rotated = true }
    "sfdc-next-private-key"    = { used_by = ["pipeline"], rotated = true }
    "sfdc-next-username"       = { used_by = ["pipeline"], rotated = false }
    "slack-webhook-url"        = { used_by = ["pipeline", "dbt-runner", "prefect-server"], rotated = true }
    "tableau-token-secret"     = { used_by = ["pipeline"], rotated = true }
    "zuora-client-id"          = { used_by = ["pipeline"], rotated = false }
    "zuora-client-secret"      = { used_by = ["pipeline"], rotated = true }
    "prefect-server-api-auth-string" = {
      used_by = ["pipeline", "dbt-runner", "prefect-server", "prefect-worker", "cloud-build"]
      rotated = true
    }
  }

  secret_readers = merge([
    for name, secret in local.secrets : { for account in secret.used_by : "${name}/${account}" => { secret = name, account = account } }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  project             = var.project_id
  secret_id           = each.key
  labels              = merge(local.labels, { system = split("-", each.key)[0] })
  deletion_protection = var.deletion_protection
  # A version destroyed by mistake can be had back for so long.
  version_destroy_ttl = "${7 * local.day_seconds}s"

  replication {
    auto {}
  }

  dynamic "topics" {
    for_each = each.value.rotated ? [google_pubsub_topic.rotation.id] : []

    content {
      name = topics.value
    }
  }

  # A message on the topic each period; the alert "secret is due" tells people. Nothing rotates by itself: the new
  # value comes from the vendor's own page.
  dynamic "rotation" {
    for_each = each.value.rotated ? [var.secret_rotation_days * local.day_seconds] : []

    content {
      rotation_period    = "${rotation.value}s"
      next_rotation_time = timeadd(plantimestamp(), "${rotation.value}s")
    }
  }

  lifecycle {
    # Secret Manager moves it on after each reminder.
    ignore_changes = [rotation[0].next_rotation_time]
  }

  depends_on = [google_pubsub_topic_iam_member.rotation]
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = local.secret_readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members[each.value.account]
}

resource "google_pubsub_topic" "rotation" {
  project                    = var.project_id
  name                       = "mg-dw-secret-rotation"
  labels                     = local.labels
  message_retention_duration = "${30 * local.day_seconds}s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this["pubsub.googleapis.com"]]
}

# Secret Manager's own agent publishes. It exists once `gcloud beta services identity create` was run (README.md).
resource "google_pubsub_topic_iam_member" "rotation" {
  project = var.project_id
  topic   = google_pubsub_topic.rotation.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"

  depends_on = [google_project_service.this["secretmanager.googleapis.com"]]
}
