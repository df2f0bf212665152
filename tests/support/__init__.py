"""What tests share. Nothing here is a test; no test imports another test."""
