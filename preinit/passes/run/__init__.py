"""Running a guest up to the end of its initializer."""
