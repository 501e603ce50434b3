"""NetSuite: SuiteQL over REST to the lake, page by page, cut to JSON lines."""
