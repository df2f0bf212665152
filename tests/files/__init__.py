"""The cache, and what is kept in it."""
