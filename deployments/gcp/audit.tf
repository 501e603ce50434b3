# Who read and changed what. BigQuery writes its data access log always; saying so here keeps it from being exempted.
resource "google_project_iam_audit_config" "this" {
  for_each = toset(["bigquery.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com"])

  project = var.project_id
  service = each.key

  audit_log_config {
    log_type = "ADMIN_READ"
  }

  audit_log_config {
    log_type = "DATA_READ"
  }

  audit_log_config {
    log_type = "DATA_WRITE"
  }
}

# The usual bucket forgets after 30 days.
resource "google_logging_project_bucket_config" "audit" {
  project          = var.project_id
  location         = lower(var.location)
  bucket_id        = "mg-dw-audit"
  description      = "Access to data and secrets."
  retention_days   = 400
  enable_analytics = true
  deletion_policy  = local.deletion_policy

  depends_on = [google_project_service.this["logging.googleapis.com"]]
}

resource "google_logging_project_sink" "audit" {
  project                = var.project_id
  name                   = "mg-dw-audit"
  description            = "Access to data and secrets, for longer than 30 days."
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.audit.id}"
  unique_writer_identity = true
  filter                 = <<-EOT
    logName="projects/${var.project_id}/logs/cloudaudit.googleapis.com%2Fdata_access"
    protoPayload.serviceName=("bigquery.googleapis.com" OR "secretmanager.googleapis.com")
  EOT
}
