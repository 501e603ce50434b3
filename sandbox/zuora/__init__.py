"""A Zuora tenant on loopback: OAuth, describe, AQuA jobs with result files, and ZOQL queries."""
