"""Languages whose runtime keeps a copy of the environment in a form of its own, which nothing can bind."""

from __future__ import annotations

from ...binary.module import Module

#: A custom section of what Go's compiler wrote.
_GO = "go:buildid"

#: What to do in Go.
GO_HINT = "Fetch it in Go, with the function of docs/world.md"


def is_go(module: Module) -> bool:
    """Whether Go's compiler wrote it."""
    return module.custom(_GO) is not None


#: What to do about what Go's runtime keeps, by the code of the warning.
GO_HINTS = {
    "environment-frozen": f"{GO_HINT}, and never give a secret.",
    "arguments-frozen": "Pass what it needs in environment variables: Go's `os.Args` stays that of the build.",
}
