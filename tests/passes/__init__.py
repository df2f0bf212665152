"""The passes of a build, one folder each; here, what holds for all of them together."""
