"""Programs with their own JavaScript glue, captured in Node."""
