terraform {
  # 1.9 is the first release of both OpenTofu and Terraform whose validations may look at other variables.
  required_version = ">= 1.9.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # The bucket is made once by hand (README.md, "First apply") and named at init:
  # tofu init -backend-config=bucket=<project>-tfstate
  backend "gcs" {
    prefix = "mg-dw"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  # APIs that count against a project (budgets, service usage) are called on behalf of this one.
  billing_project       = var.project_id
  user_project_override = true
}
