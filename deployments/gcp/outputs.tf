output "egress_address" {
  description = "Address to put on the allow-lists of NetSuite, Salesforce and the usage bucket's owner."
  value       = google_compute_address.egress.address
}

output "cluster_credentials_command" {
  description = "Gives kubectl the cluster, by its DNS name."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.this.name} --location ${var.region} --project ${var.project_id} --dns-endpoint"
}

output "images" {
  description = "Where images are pushed and pulled."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "settings" {
  description = "Environment of the flows that follows from what was made here."
  value = {
    MGDW_WAREHOUSE    = "bigquery"
    MGDW_SECRETS      = "gcp"
    MGDW_GCP_PROJECT  = var.project_id
    MGDW_GCP_LOCATION = var.location
    MGDW_LAKE         = "gs://${google_storage_bucket.lake.name}"
    # The metrics read records, not lines.
    PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER = "json"
  }
}

output "workload_identity" {
  description = "Kubernetes service account in the namespace → the annotation iam.gke.io/gcp-service-account it needs."
  value       = { for name, account in local.accounts : account.kubernetes => google_service_account.this[name].email if account.kubernetes != null }
}

output "prefect_database" {
  description = "What the Cloud SQL Auth Proxy beside the Prefect server connects to, and as whom."
  value = {
    instance = google_sql_database_instance.prefect.connection_name
    database = google_sql_database.prefect.name
    user     = google_sql_user.prefect_server.name
  }
}

output "buckets" {
  description = "Buckets by what they hold."
  value = merge(
    { lake = google_storage_bucket.lake.name },
    { for name, bucket in google_storage_bucket.this : name => bucket.name },
  )
}

output "secrets_without_value" {
  description = "Secrets that were made; each needs a version, unless its login is not used (README.md, By hand)."
  value       = sort(keys(google_secret_manager_secret.this))
}

output "dashboard" {
  description = "The dashboard's page."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${reverse(split("/", google_monitoring_dashboard.this.id))[0]}?project=${var.project_id}"
}
