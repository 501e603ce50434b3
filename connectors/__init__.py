"""Async classes that bring source data to the lake and the warehouse. Nothing in here imports Prefect."""
