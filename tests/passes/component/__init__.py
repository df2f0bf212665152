"""Components: each of their core modules goes through the passes."""
