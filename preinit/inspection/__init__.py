"""What is in a module, and what a snapshot added to it. Nothing is run, and the engine isn't needed."""

from __future__ import annotations

import os

from ..binary.module import Module, parse
from ..errors import ComponentInput, PreinitError
from ..passes.parse.source import binary
from ..version import VERSION
from . import describe
from .added import added
from .frames import paused_frames
from .functions import function_groups
from .memory import memory_maps
from .model import INSPECTION_VERSION, Inspection

__all__ = ["Inspection", "inspect", "inspect_module"]

Source = bytes | str | os.PathLike[str]


def inspect(wasm: Source, against: Source | None = None) -> Inspection:
    """What is in a module: sections, memory map, segments, tables, globals, code by groups of functions, producers.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them. It is not validated.
    against: the module that it was made from, given likewise: then the memory map says what the initializer changed,
        and `Inspection.against` what else differs.

        found = preinit.inspect("ready.wasm", against="engine.wasm")
        print(found.memories[0].bytes_changed, found.against.exports_gone)

    Raises an `InputError`, or `UsageError` for what is neither bytes nor a path.
    """
    module = _parsed(wasm, "the module")
    original = None if against is None else _parsed(against, "the original")
    return inspect_module(module, original)


def _parsed(source: Source, noun: str) -> Module:
    try:
        return parse(binary(source))
    except ComponentInput as problem:
        hint = "Take the core modules out of it: `wasm-tools component unbundle IN --module-dir FOLDER -o REST`."
        raise ComponentInput(problem.what.replace("the input", noun), hint=hint) from None
    except PreinitError as problem:
        if noun == "the original":
            problem.where = f"{noun}, {problem.where}" if problem.where else noun
        raise


def inspect_module(module: Module, original: Module | None = None) -> Inspection:
    """The same of parsed modules. Raises `Malformed` where the code section is."""
    groups, largest = function_groups(module)
    return Inspection(
        version=INSPECTION_VERSION,
        preinit=VERSION,
        size=len(module.data),
        sha256=module.sha256,
        counts=describe.counts(module),
        sections=describe.sections(module),
        memories=memory_maps(module, original),
        data_segments=describe.data_segments(module),
        data_bytes=sum(segment.end - segment.start for segment in module.data_segments),
        tables=describe.tables(module),
        element_segments=describe.element_segments(module),
        globals=describe.globals_(module),
        imports=describe.imports(module),
        exports=describe.exports(module),
        start=module.start,
        producers=describe.producers(module),
        features=describe.features(module),
        groups=groups,
        largest_functions=largest,
        frames=paused_frames(module),
        against=added(module, original) if original else None,
    )
