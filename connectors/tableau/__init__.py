"""Tableau: refresh of published data sources on a server, and .hyper files for people without one."""
