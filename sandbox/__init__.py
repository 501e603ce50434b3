"""The outside world on loopback: one seeded business, and servers that speak the sources' own protocols."""
