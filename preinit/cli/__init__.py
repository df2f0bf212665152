"""The command line: thin files, one for each command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command that `sys.argv` names and ends the process, after Ctrl-C with 130 from the first moment on."""
    import gc
    import os

    gc.disable()  # what is imported stays: looking for cycles in it takes 10 ms
    try:
        from .group import run

        code = run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("error[interrupted]: interrupted; nothing was written\n")
            sys.stderr.flush()
        os._exit(130)  # without what Python does at its end, which the next signal could hit
    sys.exit(code)
