"""Running guests: limits, time, many copies."""
