"""How fast a module starts, and how fast its output does: side by side, in turn."""
