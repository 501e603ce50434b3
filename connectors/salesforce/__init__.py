"""Salesforce: Bulk API 2.0 query jobs to the lake, page by page, as received."""
