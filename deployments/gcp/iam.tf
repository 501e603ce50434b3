# Roles on single buckets, images and the cluster.

# raw/ is written once: what was created there can be read, not replaced and not deleted, by anybody who runs here.
resource "google_storage_bucket_iam_member" "lake_create" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectCreator"
  member = local.members.pipeline
}

resource "google_storage_bucket_iam_member" "lake_read" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectViewer"
  member = local.members.pipeline
}

resource "google_storage_bucket_iam_member" "lake_work" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectUser"
  member = local.members.pipeline

  condition {
    title       = "work-and-notes"
    description = "Typed files of a load, probes, and notes that a later run replaces."
    expression = join(" || ", concat(
      [for prefix in local.work_prefixes : "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.lake.name}/objects/${prefix}\")"],
      [for name in local.notes : "resource.name.endsWith(\"/${name}\")"],
    ))
  }
}

locals {
  # What may be deleted or written again, and goes by itself after some days: typed files on their way into a load job,
  # doctor's probes, whatever a smoke run brings. And notes that a later run replaces.
  work_prefixes = ["work/", "_doctor/", "smoke/"]
  notes         = ["jobs.json"]

  bucket_writers = {
    "results/pipeline"     = { bucket = "results", account = "pipeline" }
    "results/dbt-runner"   = { bucket = "results", account = "dbt-runner" }
    "artifacts/dbt-runner" = { bucket = "artifacts", account = "dbt-runner" }
  }
}

resource "google_storage_bucket_iam_member" "writers" {
  for_each = local.bucket_writers

  bucket = google_storage_bucket.this[each.value.bucket].name
  role   = "roles/storage.objectUser"
  member = local.members[each.value.account]
}

locals {
  image_roles = {
    "cloud-build"      = "roles/artifactregistry.writer"
    "cloud-build-test" = "roles/artifactregistry.reader"
    "dbt-runner"       = "roles/artifactregistry.reader"
    "gke-nodes"        = "roles/artifactregistry.reader"
  }
}

resource "google_artifact_registry_repository_iam_member" "images" {
  for_each = local.image_roles

  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = each.value
  member     = local.members[each.key]
}

# Enough to be let in at the cluster's door; what may be done inside is RBAC, in k8s/.
resource "google_project_iam_custom_role" "cluster_connect" {
  project     = var.project_id
  role_id     = "mgdwClusterConnect"
  title       = "mg-dw cluster connect"
  description = "Reach the cluster's control plane; Kubernetes RBAC decides on everything after that."
  permissions = ["container.clusters.connect", "container.clusters.get", "container.clusters.list"]
}

resource "google_project_iam_member" "cluster_connect" {
  project = var.project_id
  role    = google_project_iam_custom_role.cluster_connect.name
  member  = local.members["cloud-build"]
}
