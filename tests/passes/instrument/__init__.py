"""The copy of the module that is run."""
