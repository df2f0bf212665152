"""Modules that mean harm, or are broken, and what must come of each."""
