"""Compiling on demand: the same bytes and the same errors as compiling the whole module."""
