"""The config file and its targets."""
