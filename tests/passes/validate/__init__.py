"""Outputs are valid."""
