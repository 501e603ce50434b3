"""A NetSuite account on loopback: OAuth 2.0 M2M, SuiteQL over REST, governance limits and the metadata catalog."""
