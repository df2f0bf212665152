"""What is to be said about a build: the report with its warnings, and whether the output is accepted."""
