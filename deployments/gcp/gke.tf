resource "google_container_cluster" "this" {
  project             = var.project_id
  name                = "mg-dw"
  description         = "Prefect server, worker and flow runs of mg-dw."
  location            = var.region
  enable_autopilot    = true
  deletion_protection = var.deletion_protection
  resource_labels     = local.labels

  network    = google_compute_network.this.id
  subnetwork = google_compute_subnetwork.gke.id

  # What Autopilot sets anyway, written down: NetworkPolicy is enforced by it.
  networking_mode   = "VPC_NATIVE"
  datapath_provider = "ADVANCED_DATAPATH"

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes = true
    # Without a network that may reach it, the control plane has no public address at all.
    enable_private_endpoint = length(var.authorized_networks) == 0
  }

  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled = false

    dynamic "cidr_blocks" {
      for_each = var.authorized_networks

      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }

  # Cloud Build and people come by the DNS name, where IAM decides: container.clusters.connect.
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
  }

  workload_identity_config {
    workload_pool = "${var.project_id}.svc.id.goog"
  }

  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account = google_service_account.this["gke-nodes"].email
    }
  }

  release_channel {
    channel = var.release_channel
  }

  # Times are UTC. The daily run starts at 04:00 New York (08:00 or 09:00), the weekly at 03:00 on Sundays (07:00 or
  # 08:00): nodes are replaced in the afternoon of working days, when a person is there.
  maintenance_policy {
    recurring_window {
      start_time = "2026-01-05T16:00:00Z"
      end_time   = "2026-01-05T21:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH"
    }
  }

  secret_manager_config {
    enabled = true
  }

  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_BASIC"
  }

  rbac_binding_config {
    enable_insecure_binding_system_authenticated   = false
    enable_insecure_binding_system_unauthenticated = false
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }

  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS", "POD", "DEPLOYMENT"]

    managed_prometheus {
      enabled = true
    }
  }

  depends_on = [
    google_project_service.this["container.googleapis.com"],
    google_project_iam_member.this,
    google_compute_router_nat.this,
  ]
}
