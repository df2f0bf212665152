"""From bytes, a file or text to a module; what is refused at once."""
