"""What a build depends on: values that fit, and those that don't."""
