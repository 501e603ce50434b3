"""Zuora: one AQuA job for all objects (or a data query each), gzip files to the lake as received."""
