"""Writes the tables of error and warning codes of docs/troubleshooting.md, from the code that raises and gives them.

Errors: the classes of preinit/errors and what derives from them. The first sentence of a docstring is the cause; the
class's hint, or a paragraph "What to do:" of the docstring, is the way out. Warnings: each place that makes a
`BuildWarning`, with the text as it is written there; what differs from one to the next is shown as an ellipsis.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from preinit.errors import PreinitError

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "preinit"
PAGE = ROOT / "docs/troubleshooting.md"

#: Where classes of errors are, and the heading of their table.
HOMES = {
    "preinit.errors.guest": "While the initializer runs",
    "preinit.errors.input": "What was given",
    "preinit.errors.output": "The output",
    "preinit.errors.work": "Who does the work",
    "preinit.errors.system": "The machine",
    "preinit.errors.base": "Everything else",
}

#: What a message shows in place of what differs.
GAP = "…"

MARK = re.compile(r"(<!-- (\w+): written by scripts/code_tables -->\n).*?(<!-- end -->)", re.DOTALL)


class ErrorCode(NamedTuple):
    """A class of errors."""

    code: str
    name: str
    exit_code: int
    cause: str
    way_out: str


class WarningCode(NamedTuple):
    """A place that makes a warning: its message and hint, with gaps."""

    code: str
    message: str
    hint: str


def errors(home: str) -> Iterator[ErrorCode]:
    """The classes of a module, in its order."""
    for name, kind in vars(importlib.import_module(home)).items():
        if isinstance(kind, type) and issubclass(kind, PreinitError) and kind.__module__ == home:
            yield ErrorCode(kind.code, name, kind.exit_code, cause(kind), way_out(kind))


def paragraphs(kind: type[PreinitError]) -> list[str]:
    """Of the class's own docstring, each as one line."""
    text = vars(kind).get("__doc__") or ""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]


def cause(kind: type[PreinitError]) -> str:
    """The docstring's first sentence."""
    sentence = re.match(r"(.+?[.])(?: |$)", paragraphs(kind)[0])
    if not sentence:
        sys.exit(f"{kind.__name__} has no docstring that says its cause")
    return sentence[1]


def way_out(kind: type[PreinitError]) -> str:
    said = [part.removeprefix("What to do: ") for part in paragraphs(kind) if part.startswith("What to do: ")]
    found = said[0] if said else kind.hint
    if not found:
        sys.exit(f"{kind.__name__} does not say what to do: give it a hint, or its docstring `What to do: ...`")
    return found


def warnings() -> Iterator[WarningCode]:
    """Every call of `BuildWarning` in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "BuildWarning(" not in text:
            continue
        tree = ast.parse(text)
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "BuildWarning"
        ]
        for call in sorted(calls, key=lambda call: call.lineno):
            yield WarningCode(*(written(argument, constants) for argument in call.args))


def written(node: ast.expr, constants: dict[str, object]) -> str:
    """A text as the source has it; of what is put into it, what is known, or a gap."""
    match node:
        case ast.Constant(value=str(text)):
            found = text
        case ast.JoinedStr(values=parts):
            found = "".join(written(part, constants) for part in parts)
        case ast.FormattedValue(value=ast.IfExp(body=body)):
            found = written(body, constants)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name) if isinstance(constants.get(name), str):
            found = str(constants[name])
        case ast.FormattedValue(value=ast.Attribute(value=ast.Name(id="entry"), attr="module" | "name" as part)):
            found = part.upper()
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            found = written(left, constants) + written(right, constants)
        case _:
            found = GAP
    return re.sub(f"{GAP}+", GAP, found)


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def error_tables() -> str:
    parts = []
    for home, heading in HOMES.items():
        rows = ((f"`{e.code}` ({e.name})", str(e.exit_code), e.cause, e.way_out) for e in errors(home))
        parts.append(f"### {heading}\n\n" + table(("code (Python class)", "exit code", "cause", "what to do"), rows))
    return "\n\n".join(parts)


def warning_table() -> str:
    rows = ((f"`{w.code}`", w.message, w.hint) for w in warnings())
    return table(("code", "what it says", "what to do"), rows)


def page(text: str) -> str:
    """The page with its tables as they should be."""
    tables = {"errors": error_tables, "warnings": warning_table}
    return MARK.sub(lambda found: f"{found[1]}\n{tables[found[2]]()}\n\n{found[3]}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
