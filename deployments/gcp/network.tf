resource "google_compute_network" "this" {
  project                 = var.project_id
  name                    = "mg-dw"
  description             = "The warehouse's own network."
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"

  depends_on = [google_project_service.this["compute.googleapis.com"]]
}

resource "google_compute_subnetwork" "gke" {
  project                  = var.project_id
  region                   = var.region
  name                     = "mg-dw-gke"
  description              = "Nodes, pods and services of the cluster."
  network                  = google_compute_network.this.id
  ip_cidr_range            = "10.20.0.0/22"
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.24.0.0/16"
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.20.16.0/20"
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# One address that never changes: NetSuite, Salesforce and the bucket's owner can allow it and nothing else.
resource "google_compute_address" "egress" {
  project      = var.project_id
  region       = var.region
  name         = "mg-dw-egress"
  description  = "Address that all requests to the outside come from."
  address_type = "EXTERNAL"
  labels       = local.labels
  # Given back, it is somebody else's, who would be on the vendors' lists.
  deletion_policy = local.deletion_policy

  depends_on = [google_project_service.this["compute.googleapis.com"]]
}

resource "google_compute_router" "this" {
  project = var.project_id
  region  = var.region
  name    = "mg-dw"
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  project                            = var.project_id
  region                             = var.region
  name                               = "mg-dw"
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.egress.self_link]
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.gke.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  # Autopilot runs many pods on a node, and a load keeps dozens of connections to one host.
  enable_dynamic_port_allocation      = true
  enable_endpoint_independent_mapping = false
  min_ports_per_vm                    = 128
  max_ports_per_vm                    = 4096

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Room for Cloud SQL's private addresses.
resource "google_compute_global_address" "services" {
  project       = var.project_id
  name          = "mg-dw-services"
  description   = "Range that Google's managed services take addresses from."
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = "10.28.0.0"
  prefix_length = 20
  network       = google_compute_network.this.id
  labels        = local.labels
}

resource "google_service_networking_connection" "this" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]

  depends_on = [google_project_service.this["servicenetworking.googleapis.com"]]
}
