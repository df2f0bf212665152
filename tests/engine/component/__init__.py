"""The canonical ABI, and instantiating components."""
