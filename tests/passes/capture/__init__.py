"""What a paused guest holds."""
