# PostgreSQL of the Prefect server: private address, no password. The server's pod reaches it through the Cloud SQL
# Auth Proxy as its own service account (proxy: --private-ip --auto-iam-authn), so there is no secret to keep.
resource "google_sql_database_instance" "prefect" {
  project             = var.project_id
  region              = var.region
  name                = "mg-dw-prefect"
  database_version    = "POSTGRES_17"
  deletion_protection = var.deletion_protection

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.prefect_database.tier
    availability_type           = var.prefect_database.availability
    disk_type                   = "PD_SSD"
    disk_size                   = 10
    disk_autoresize             = true
    disk_autoresize_limit       = 100
    deletion_protection_enabled = var.deletion_protection
    connector_enforcement       = "REQUIRED"
    user_labels                 = local.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.this.id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "13:00"
      location                       = var.region
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.prefect_database.backup_days
        retention_unit   = "COUNT"
      }
    }

    # Monday 16:00 UTC, with the cluster's.
    maintenance_window {
      day          = 1
      hour         = 16
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
  }

  depends_on = [
    google_project_service.this["sqladmin.googleapis.com"],
    google_service_networking_connection.this,
  ]
}

resource "google_sql_database" "prefect" {
  project         = var.project_id
  instance        = google_sql_database_instance.prefect.name
  name            = "prefect"
  deletion_policy = "ABANDON"
}

# Cloud SQL wants a service account's user without the end of its address. The role lets the server make its tables.
resource "google_sql_user" "prefect_server" {
  project         = var.project_id
  instance        = google_sql_database_instance.prefect.name
  name            = trimsuffix(google_service_account.this["prefect-server"].email, ".gserviceaccount.com")
  type            = "CLOUD_IAM_SERVICE_ACCOUNT"
  database_roles  = ["cloudsqlsuperuser"]
  deletion_policy = "ABANDON"
}
