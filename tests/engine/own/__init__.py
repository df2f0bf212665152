"""Modules of our own do just what Python does."""
