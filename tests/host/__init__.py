"""What the guest sees of the world, and what is written down of that."""
