"""Modules that many tests use, by what they show."""
