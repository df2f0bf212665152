"""Names of addresses."""
