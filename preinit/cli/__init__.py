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
        from ..bytecode import use

        _open_standard_streams()
        use()
        if program == "group" and sys.argv[1:] == ["--version"] and _told_versions():
            from .starting import keep_bytecode

            keep_bytecode()
            sys.exit()
        from ..errors import clean_up_when_terminated

        clean_up_when_terminated()
        _forget_coercion()
        if program == "group" and sys.argv[1:2] == ["build"]:
            _build_if_plain(sys.argv[2:])
        code = import_module(f".{program}", __package__).run()
    except KeyboardInterrupt as caught:
        from ..errors import as_error

        problem = as_error(caught)
        if sys.stderr is not None:
            sys.stderr.write(f"error[{problem.code}]: {problem.what}\n")
            sys.stderr.flush()
        os._exit(problem.exit_code)  # without what Python does at its end, which the next signal could hit
    sys.exit(code)


def _build_if_plain(args: list[str]) -> None:
    """Builds and ends the process; returns where click has to read the arguments."""
    import gc

    from .failure import explained
    from .plain import read

    with explained("--debug" in args) as progress:
        given = read(args)
        if given is not None:
            from .building import build_file

            gc.freeze()
            build_file(given, progress)


def _told_versions() -> bool:
    """Prints the versions, before what takes longer is imported. False where the group must say what is wrong."""
    from .versions import versions

    if sys.stdout is None:
        return False
    try:
        sys.stdout.write("".join(f"{line}\n" for line in versions()))
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _open_standard_streams() -> None:
    """Makes streams that are closed lead nowhere: else the next file that is opened would be taken for one of them."""
    import os

    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _forget_coercion() -> None:
    """Takes out of our environment what Python put there: LC_CTYPE where the locale is C (PEP 538).

    A guest that is given our variables would see it, and no shell has it.
    """
    import os

    if os.environ.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8"):
        return
    try:
        with open("/proc/self/environ", "rb") as stream:
            given = stream.read().split(b"\0")
    except OSError:
        return
    if not any(entry.startswith(b"LC_CTYPE=") for entry in given):
        del os.environ["LC_CTYPE"]
