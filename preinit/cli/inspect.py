"""`preinit inspect`."""
