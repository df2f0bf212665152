"""The component format."""
