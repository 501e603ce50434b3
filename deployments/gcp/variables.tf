# Where

variable "project_id" {
  description = "Google Cloud project of one environment; MGDW_GCP_PROJECT. It exists and has billing."
  type        = string
  default     = "mg-dw-workbench"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "environment" {
  description = "staging or production. Each has a project, a state and a cluster of its own."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "The environment is staging or production."
  }
}

variable "location" {
  description = "Location of the datasets and of the buckets, a multi-region; MGDW_GCP_LOCATION. A load job needs both in one place."
  type        = string
  default     = "US"

  validation {
    condition     = contains(["US", "EU"], var.location)
    error_message = "The location is one of the multi-regions US and EU."
  }
}

variable "region" {
  description = "Region of the cluster, the database, the images and the builds; inside the location."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^(us|europe)-[a-z]+[0-9]+$", var.region)) && startswith(var.region, var.location == "US" ? "us-" : "europe-")
    error_message = "The region is one of the location's: us-… for US, europe-… for EU."
  }
}

variable "deletion_protection" {
  description = "Whether destroy stops at what holds data: datasets, buckets, secrets, database, cluster."
  type        = bool
  default     = true
}

# Who

variable "developers" {
  description = "People who build in DEV and may look at ODS and EDW, as IAM members: group:data@example.com."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.developers : can(regex("^(group|user):[^@ ]+@[^@ ]+$", member))])
    error_message = "Each developer is group:<address> or user:<address>."
  }
}

variable "mart_readers" {
  description = "Who reads EDW and nothing else, as IAM members: Tableau's service account, a group of analysts."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.mart_readers : can(regex("^(group|user|serviceAccount):[^@ ]+@[^@ ]+$", member))])
    error_message = "Each reader is group:<address>, user:<address> or serviceAccount:<address>."
  }
}

# Lake

variable "lake_bucket" {
  description = "Name of the lake's bucket, unique in the world; MGDW_LAKE is gs:// and this."
  type        = string
  default     = "mg-dw-datalake"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.lake_bucket))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "raw_retention_days" {
  description = "Days after which raw batches are deleted; replay reads no further back. 2,555 days are seven years."
  type        = number
  default     = 2555

  validation {
    condition     = var.raw_retention_days >= 730 && floor(var.raw_retention_days) == var.raw_retention_days
    error_message = "Raw batches are kept for 730 whole days or more: the archive class alone bills 365."
  }
}

variable "work_retention_days" {
  description = "Days after which typed files below work/, that a load job has read, are deleted."
  type        = number
  default     = 7

  validation {
    condition     = var.work_retention_days >= 3 && var.work_retention_days <= 30 && floor(var.work_retention_days) == var.work_retention_days
    error_message = "Between 3 and 30 whole days: a run that failed on a Friday is repeated on a Monday."
  }
}

# Cluster and network

variable "authorized_networks" {
  description = "Networks that may reach the control plane by its address, name to CIDR. Empty: by its DNS name and IAM only."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for cidr in values(var.authorized_networks) : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]), 0) >= 16])
    error_message = "Each network is a CIDR of /16 or smaller, for example 203.0.113.0/24."
  }
}

variable "release_channel" {
  description = "How early GKE takes up new Kubernetes versions."
  type        = string
  default     = "REGULAR"

  validation {
    condition     = contains(["REGULAR", "STABLE"], var.release_channel)
    error_message = "The release channel is REGULAR or STABLE."
  }
}

# Prefect server

variable "prefect_database" {
  description = "The Prefect server's PostgreSQL: machine, REGIONAL for a standby in a second zone, days of backups."
  type = object({
    tier         = optional(string, "db-custom-1-3840")
    availability = optional(string, "ZONAL")
    backup_days  = optional(number, 14)
  })
  default = {}

  validation {
    condition     = contains(["ZONAL", "REGIONAL"], var.prefect_database.availability)
    error_message = "The database's availability is ZONAL or REGIONAL."
  }

  validation {
    condition     = var.prefect_database.backup_days >= 7 && var.prefect_database.backup_days <= 365
    error_message = "Backups are kept between 7 and 365 days."
  }
}

# Builds

variable "github_connection" {
  description = "Cloud Build connection to GitHub in the region, made and authorised by hand once. null: no triggers."
  type        = string
  default     = null

  validation {
    condition     = var.github_connection == null || can(regex("^[a-z0-9-]+$", var.github_connection))
    error_message = "The connection is its short name, for example github."
  }
}

variable "github_repository" {
  description = "The program's repository as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "The repository is owner/name."
  }
}

variable "default_branch" {
  description = "Branch whose commits are built and deployed."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.default_branch))
    error_message = "A branch's name, without wildcards."
  }
}

variable "images_kept" {
  description = "How many images of a package are kept whatever their age, for going back."
  type        = number
  default     = 20

  validation {
    condition     = var.images_kept >= 5 && var.images_kept <= 200
    error_message = "Between 5 and 200 images."
  }
}

# Alerts and cost

variable "alert_emails" {
  description = "Addresses that get every alert. One at least: Slack may be what is broken."
  type        = set(string)

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for address in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "At least one address, each like data@example.com."
  }
}

variable "slack_channels" {
  description = "Notification channels of type Slack, authorised in the console, by full name: projects/…/notificationChannels/…."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.slack_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", name))])
    error_message = "Each channel is projects/<project>/notificationChannels/<number>."
  }
}

variable "alerts_url" {
  description = "Where people read alerts.md, to which each alert links. null: in the repository on GitHub."
  type        = string
  default     = null

  validation {
    condition     = var.alerts_url == null || can(regex("^https://.+[^/]$", var.alerts_url))
    error_message = "An https address without a slash at its end."
  }
}

variable "billing_account" {
  description = "Billing account of the budget, for example 012345-6789AB-CDEF01. Without one there is no budget: whoever applies needs a role in the billing account to make it."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account has three groups of six hexadecimal digits."
  }
}

variable "monthly_budget" {
  description = "Budget of the project a month, whole units of the billing account's currency."
  type        = number
  default     = 600

  validation {
    condition     = var.monthly_budget >= 1 && floor(var.monthly_budget) == var.monthly_budget
    error_message = "A whole number of at least 1."
  }
}

variable "daily_scan_limit_tib" {
  description = "TiB billed by queries in 24 hours from which on people are told."
  type        = number
  default     = 1

  validation {
    condition     = var.daily_scan_limit_tib > 0 && var.daily_scan_limit_tib <= 100
    error_message = "More than 0 and at most 100 TiB."
  }
}

# Secrets

variable "secret_rotation_days" {
  description = "Days between two reminders to rotate a secret."
  type        = number
  default     = 90

  validation {
    condition     = var.secret_rotation_days >= 7 && var.secret_rotation_days <= 365
    error_message = "Between 7 and 365 days."
  }
}
