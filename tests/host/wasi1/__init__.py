"""WASI preview 1, function by function."""
