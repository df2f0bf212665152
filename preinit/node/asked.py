"""What a program asked of the world before its pause, and which of its functions did: asked.mjs wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..binary.cursor import Cursor
from ..binary.instructions import decoder
from ..binary.module import Module
from ..binary.opcodes import LOCAL_GET, LOCAL_SET, LOCAL_TEE
from ..binary.sections import ExternKind
from ..errors import Frame
from ..result import HostFacts
from .recording import Recording
from .standins import StandIn

#: Variables that Emscripten's glue gives each program.
_GLUES = frozenset(("USER", "LOGNAME", "PATH", "PWD", "HOME", "LANG", "_"))
#: What begins a block, goes on in another part of it, and ends it; exceptions as they were before the standard, too.
_BEGIN, _ELSE, _END = frozenset((0x02, 0x03, 0x04, 0x06, 0x1F)), frozenset((0x05, 0x07, 0x19)), frozenset((0x0B, 0x18))
_LOCALS = decoder(frozenset(), frozenset((LOCAL_GET, LOCAL_SET, LOCAL_TEE)) | _BEGIN | _ELSE | _END)


def host_facts(module: Module, recording: Recording, made: Sequence[StandIn]) -> HostFacts:
    """What the program was given. `made`: a main that does not run again keeps its arguments."""
    calls: dict[str, int] = {}
    for entry in recording.imports:
        if entry.times:
            name = f"{entry.module}.{entry.name}"
            calls[name] = calls.get(name, 0) + entry.times
    given, asked = recording.given, recording.asked
    causes = {name: frames_of(module, indices) for name, indices in asked.first.items()}
    ways = {name: tuple(frames_of(module, way) for way in found) for name, found in asked.ways.items()}
    arguments, read = asked.arguments[1:], bool({"args_sizes_get", "args_get"} & causes.keys())
    if main := _main(module, recording, made):
        (target, texts), read = main, True
        arguments = arguments or texts[1:]
        causes.setdefault("args_get", frames_of(module, [target]))
    sized = {name.partition("_")[0] for name in causes if name.endswith("_sizes_get") and _taker(name) not in causes}
    many = {kind for kind, count in asked.counts.items() if count > (kind == "arguments")}
    kinds = {"environ": "environment", "args": "arguments"}
    return HostFacts(
        calls=calls,
        first_calls={},
        random_bytes=given.random,
        clock_reads=given.clock,
        monotonic_reads=given.monotonic,
        environment_read=bool({"environ_sizes_get", "environ_get"} & causes.keys()),
        environment=tuple(sorted(asked.environment, key=_GLUES.__contains__)),  # those that somebody set come first
        arguments_read=read,
        arguments=arguments,
        stdin_read=asked.input is not None,
        stdin_bytes=asked.input or 0,
        folders=(),
        folders_listed=False,
        files=(),
        open_descriptors=(),
        causes=causes,
        callers=ways,
        only_sizes=tuple(sorted(kinds[name] for name in sized if kinds[name] in many)),
    )


def _taker(name: str) -> str:
    return name.replace("_sizes_get", "_get")


def frames_of(module: Module, indices: Iterable[int]) -> tuple[Frame, ...]:
    """Functions of the copy have the same numbers as in the module; what was added to it has none in there."""
    own = [index for index in indices if index < len(module.function_types)]
    return tuple(Frame(index, module.function_name(index)) for index in own)


def _main(module: Module, recording: Recording, made: Sequence[StandIn]) -> tuple[int, tuple[str, ...]] | None:
    """A main that looks at its arguments and does not run again, and what it was handed."""
    replaced = {one.export for one in made}
    for call in recording.calls:
        if call.name in replaced and call.texts is not None:
            target = next(e.target for e in module.exports if e.kind == ExternKind.FUNC and e.name == call.name)
            if reads_parameters(module, target, len(call.arguments)):
                return target, call.texts
    return None


def reads_parameters(module: Module, function: int, number: int) -> bool:
    """Whether a function may take what one of its parameters was: one that was not certainly overwritten before.

    What a block writes is certain until it ends, as where a local without a default value is initialized."""
    if function < module.imported_functions:
        return False
    at = function - module.imported_functions
    found = _LOCALS.search(module.data, module.bodies.starts[at], module.bodies.ends[at])
    blocks: list[frozenset[int]] = []  # what was written when each block began that has not ended
    written: frozenset[int] = frozenset()
    for one in found.found:
        if one.opcode in _BEGIN:
            blocks.append(written)
        elif one.opcode in _ELSE:
            written = blocks[-1]
        elif one.opcode in _END:
            written = blocks.pop() if blocks else written
        else:
            index = Cursor(module.data, one.start + 1, one.end, "function body").u32()
            if one.opcode == LOCAL_GET and index < number and index not in written:
                return True
            written |= {index}
    return found.unknown is not None
