# Cloud Build: what runs when. The steps are in deployments/cloudbuild-*.yaml; builds log to Cloud Logging only
# (options.logging: CLOUD_LOGGING_ONLY), which an account of its own requires.
locals {
  has_builds = var.github_connection != null

  substitutions = {
    _REGION      = var.region
    _IMAGES      = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
    _CLUSTER     = google_container_cluster.this.name
    _NAMESPACE   = local.namespace
    _ENVIRONMENT = var.environment
    _ARTIFACTS   = google_storage_bucket.this["artifacts"].name
    _LOCATION    = var.location
  }

  builds = {
    "pipeline" = {
      description = "Image of the flows, then their deployments."
      account     = "cloud-build"
      files = [
        ".dockerignore", "connectors/**", "dbt/**", "deployments/Dockerfile", "deployments/automations/**",
        "deployments/cloudbuild-pipeline.yaml", "deployments/release.sh", "docs/runbooks/**", "flows/**", "k8s/**",
        "locks/runtime.txt", "prefect.yaml", "split/**",
      ]
    }
    "dbt" = {
      description = "dbt models that changed and what is built on them, then the docs."
      account     = "dbt-runner"
      files       = ["dbt/**", "deployments/cloudbuild-dbt.yaml", "deployments/dbt-build.sh"]
    }
  }
}

resource "google_cloudbuildv2_repository" "this" {
  count = local.has_builds ? 1 : 0

  project           = var.project_id
  location          = var.region
  name              = replace(var.github_repository, "/", "-")
  parent_connection = var.github_connection
  remote_uri        = "${local.github_url}.git"

  depends_on = [google_project_service.this["cloudbuild.googleapis.com"]]
}

resource "google_cloudbuild_trigger" "test" {
  count = local.has_builds ? 1 : 0

  project            = var.project_id
  location           = var.region
  name               = "mg-dw-test"
  description        = "Lint and the fast ring of tests on each pull request."
  filename           = "deployments/cloudbuild-test.yaml"
  service_account    = google_service_account.this["cloud-build-test"].id
  include_build_logs = "INCLUDE_BUILD_LOGS_WITH_STATUS"
  tags               = ["mg-dw", var.environment]

  repository_event_config {
    repository = google_cloudbuildv2_repository.this[0].id

    pull_request {
      branch          = "^${var.default_branch}$"
      comment_control = "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"
    }
  }
}

resource "google_cloudbuild_trigger" "main" {
  for_each = { for name, build in local.builds : name => build if local.has_builds }

  project         = var.project_id
  location        = var.region
  name            = "mg-dw-${each.key}"
  description     = each.value.description
  filename        = "deployments/cloudbuild-${each.key}.yaml"
  service_account = google_service_account.this[each.value.account].id
  included_files  = each.value.files
  substitutions   = local.substitutions
  tags            = ["mg-dw", var.environment]

  repository_event_config {
    repository = google_cloudbuildv2_repository.this[0].id

    push {
      branch = "^${var.default_branch}$"
    }
  }

  # Staging is deployed by the push; production waits for a person.
  approval_config {
    approval_required = var.environment == "production"
  }
}
