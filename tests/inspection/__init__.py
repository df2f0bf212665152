"""What is in a module, and what a snapshot added."""
