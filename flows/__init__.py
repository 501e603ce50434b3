"""What runs, in which order, with which retries, and who is told. The outside world is reached through `connectors`."""
