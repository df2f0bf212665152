"""Starting a module and its output many times."""
