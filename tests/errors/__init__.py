"""Every way to fail: what it says, and that it survives a journey between processes."""
