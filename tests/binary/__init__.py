"""Reading the binary format, undamaged and damaged."""
