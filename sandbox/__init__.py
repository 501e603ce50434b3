"""The outside world on loopback: systems that speak their real protocols, fed by one seeded business model."""
