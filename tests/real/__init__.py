"""Real modules, which scripts/fetch_real downloads: this folder spans all rooms. All of it has the mark `real`."""
