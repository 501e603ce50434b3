"""Zuora: one AQuA job for all objects, gzip files to the lake as received."""
