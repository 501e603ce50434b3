"""Bulk API 2.0 query jobs: what may be asked, how a job lives, and where its pages are kept."""
