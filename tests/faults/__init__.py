"""Faults on purpose: a script injects many, tests a few of each kind."""
