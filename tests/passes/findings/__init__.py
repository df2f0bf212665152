"""What is to be said of a build: warnings, leaks, budgets."""
