"""The scripts for people, in `scripts/`."""
