"""What is run, with which arguments, and what the output keeps."""
