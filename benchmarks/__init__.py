"""What the speed and memory figures in the docs come from. `make bench` runs `benchmarks.salesforce_bulk`."""
