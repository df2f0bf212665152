"""Job files, who does the jobs, what is up to date."""
