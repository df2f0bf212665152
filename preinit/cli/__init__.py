"""The command line: thin files, one for each command."""

from __future__ import annotations

import sys

__all__ = ["main", "main_of_wizer"]


def main() -> None:
    """Runs the command that `sys.argv` names and ends the process, after Ctrl-C with 130 from the first moment on."""
    _end_after("group")


def main_of_wizer() -> None:
    """The same for `preinit-wizer`."""
    _end_after("preinit_wizer")


def _end_after(program: str) -> None:
    import gc
    import os
    from importlib import import_module

    gc.disable()  # what is imported stays: looking for cycles in it takes 10 ms
    try:
        code = import_module(f".{program}", __package__).run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("error[interrupted]: interrupted; nothing was written\n")
            sys.stderr.flush()
        os._exit(130)  # without what Python does at its end, which the next signal could hit
    sys.exit(code)
