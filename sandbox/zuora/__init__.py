"""A Zuora tenant on loopback: OAuth, describe, AQuA jobs with result files, Data Query, and ZOQL queries."""
