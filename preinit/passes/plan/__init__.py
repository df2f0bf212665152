"""What is to be run, with which arguments, and what the output exports."""
