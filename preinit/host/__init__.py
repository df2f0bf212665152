"""What the guest sees of the world: WASI, and traps for every other import."""
