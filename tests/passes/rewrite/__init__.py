"""From a module and a snapshot to bytes."""
