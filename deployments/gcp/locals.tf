locals {
  labels = {
    app         = "mgdw"
    environment = var.environment
    managed_by  = "opentofu"
  }

  # What holds data is not destroyed by a slip: first say so, then destroy (README.md, "Destroy").
  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"

  # Kubernetes namespace of everything that runs, and the service accounts in it; k8s/ has the same names.
  namespace = "mg-dw"

  github_url = "https://github.com/${var.github_repository}"
  alerts_url = coalesce(var.alerts_url, "${local.github_url}/blob/${var.default_branch}/deployments/gcp/alerts.md")

  day_seconds = 86400
}

data "google_project" "this" {
  project_id = var.project_id

  depends_on = [google_project_service.this["cloudresourcemanager.googleapis.com"]]
}
