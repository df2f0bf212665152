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
        from ..errors import clean_up_when_terminated

        clean_up_when_terminated()
        from .group import run

        code = run()
    except KeyboardInterrupt as caught:
        from ..errors import as_error

        problem = as_error(caught)
        if sys.stderr is not None:
            sys.stderr.write(f"error[{problem.code}]: {problem.what}\n")
            sys.stderr.flush()
        os._exit(problem.exit_code)  # without what Python does at its end, which the next signal could hit
    sys.exit(code)
