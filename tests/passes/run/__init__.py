"""Running the initializers: how the module is compiled, what it is called with, what is kept for the next build."""
