"""What of a component the engine can't judge without compiling it: everything but its function bodies.

wasm-tools validates a shell of it, whose core modules have no code and no data: that takes it a few milliseconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ...binary import encoder as write
from ...binary.component import Component
from ...binary.component.reader import COMPONENT, CORE_MODULE
from ...binary.component.recipe import Nested
from ...binary.digest import fingerprint
from ...binary.module import SectionId, read_sections
from ...binary.rope import Rope
from ...engine.runtime import Deadline
from ...errors import InvalidModule, PreinitError, TimeLimit, ToolMissing, UnsupportedProposal, as_limit
from ...files.cache import Name, has_entry, write_entry
from ...version import VERSION
from ..parse.text import wasm_tools
from .source import ComponentSource, placed

_KEPT = (
    SectionId.TYPE, SectionId.IMPORT, SectionId.FUNCTION, SectionId.TABLE, SectionId.MEMORY, SectionId.TAG,
    SectionId.GLOBAL, SectionId.EXPORT, SectionId.ELEMENT,
)  # fmt: skip
_TRAPS = write.code_entry(b"\x00\x00\x0b")

#: Bytes of a number of functions, at most.
_LONGEST = 5


def hollow(wasm: bytes | Rope) -> bytes:
    """A module of the same type as that one: its functions trap, it has no data. Raises `Malformed`, `EngineLimit`."""
    rope = wasm if isinstance(wasm, Rope) else Rope([wasm])
    found = {section.id: section for section in read_sections(rope)}
    pieces: list[write.Pieces] = []
    for number in write.SECTION_ORDER:
        section = found.get(number)
        if section and number == SectionId.CODE:
            at = rope.cursor(section.start, min(section.start + _LONGEST, section.end), section.label)
            at.end = at.position + section.end - section.start  # not copied from a rope, but bounds the number
            bodies = at.count(2)
            pieces.append(write.section(number, write.vector([_TRAPS] * bodies)))
        elif section and number in _KEPT:
            pieces.append([rope.part(section.header, section.end)])
    return write.assemble(pieces)


def hollows(source: ComponentSource, deadline: Deadline) -> dict[int, bytes]:
    """The same of all core modules, by where they begin. Raises `Malformed`, `EngineLimit`, `TimeLimit`."""

    def make() -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for start, part in source.parts.items():
            try:
                found[start] = hollow(part.module.data)
            except PreinitError as problem:
                raise placed(problem, part.number, start) from None
        return found

    return deadline.start(make).result()


def _shell(component: Component, modules: Mapping[int, bytes]) -> Iterator[bytes]:
    yield component.data[component.start : component.start + 8]
    for section in component.sections:
        if section.id == CORE_MODULE:
            inner = modules[section.start]
        elif section.id == COMPONENT:
            nested = component.definitions[section.first].definition
            assert isinstance(nested, Nested)
            inner = b"".join(_shell(nested.component, modules))
        else:
            yield component.data[section.header : section.end]
            continue
        yield bytes((section.id,)) + write.uleb(len(inner)) + inner


def check_shell(
    component: Component, modules: Mapping[int, bytes], deadline: Deadline, cache: Name | None = None
) -> bool:
    """Validates a component but for the code of its core modules. Raises `InvalidModule`, `UnsupportedProposal`.

    `modules`: its core modules, `hollow`, by where they begin. `cache`: a folder that is `usable`, in which is
    noted what was valid: where only data changed, or code, nothing needs to be started for the next build. Returns
    whether it was noted there.
    """
    tool, shell = wasm_tools(), b"".join(_shell(component, modules))
    name = _name(tool, shell) if cache else ""
    if cache and name and has_entry(cache, "valid", name):
        return True
    import subprocess  # which takes 4 ms, and most builds of a component have this noted

    try:
        done = subprocess.run(
            [tool, "validate", "--features", "all", "-"],
            input=shell,
            capture_output=True,
            timeout=deadline.remaining(),
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise TimeLimit(f"validating the component took longer than {problem.timeout:g} seconds") from problem
    except OSError as problem:
        missing = ToolMissing(f"wasm-tools could not validate the component: {problem}")
        raise (
            as_limit(problem, "wasm-tools, which validates components, can't be started", starts=True) or missing
        ) from problem
    if done.returncode:
        raise _refusal(done.stderr.decode("utf-8", "replace"))
    if cache and name:
        write_entry(cache, "valid", name, b"")
    return False


def _name(tool: str, shell: bytes) -> str:
    """Which tool would judge which bytes: another version of it may judge otherwise. Empty: that can't be told."""
    try:
        status = os.stat(tool)
    except OSError:  # a name on the PATH
        return ""
    which = f"{status.st_size} {status.st_mtime_ns}"
    parts = (VERSION, "shell", tool, which, fingerprint(shell).hex())
    return fingerprint("\n".join(parts).encode("utf-8", "surrogateescape")).hex()


def _refusal(said: str) -> PreinitError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # Offsets are those of the shell. The lines after the first, with the causes, say most.
    causes = [re.sub(r"^\d+: ", "", line) for line in lines if not line.endswith("Caused by:")]
    detail = re.sub(r"\s*\(at offset 0x[0-9a-f]+\)", "", causes[-1] if causes else "no reason was given")
    detail = detail.removeprefix("error: ")
    if re.search(r"requires the|not enabled|feature", detail):
        return UnsupportedProposal(f"the component needs a proposal that there is not: {detail}")
    return InvalidModule(f"the component is not valid: {detail}")
