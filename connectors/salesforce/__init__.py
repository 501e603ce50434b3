"""Salesforce: bulk query jobs and REST queries to the lake, page by page, as received."""
