resource "google_artifact_registry_repository" "images" {
  project                = var.project_id
  location               = var.region
  repository_id          = "mg-dw-docker-images"
  description            = "Images of the flows. Deployed by digest; tags are commits."
  format                 = "DOCKER"
  labels                 = local.labels
  cleanup_policy_dry_run = false
  deletion_policy        = local.deletion_policy

  # Images are deployed by digest, which nobody can move. Tags that could not be moved could not be deleted either, and
  # the images they name would stay for ever.
  docker_config {
    immutable_tags = false
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  # Keep wins over delete: what was deployed lately stays, whatever else a rule says.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = var.images_kept
    }
  }

  cleanup_policies {
    id     = "delete-untagged"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "${7 * local.day_seconds}s"
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "${90 * local.day_seconds}s"
    }
  }

  depends_on = [google_project_service.this["artifactregistry.googleapis.com"]]
}
