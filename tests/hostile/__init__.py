"""Guests, files, folders and caches that mean harm: this folder spans all rooms that they reach."""
