"""Modules of our own, which do for whoever builds what takes too long in Python: a `.wat` each, and what calls it.

Each does what something in Python does, too, which is there for where the engine has no room for more; tests hold the
two against each other.
"""
