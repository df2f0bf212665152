"""Text, JSON and pages."""
