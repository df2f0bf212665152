"""A module that is to be started many times: what is compiled of it, and what is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..binary.module import Module, parse
from ..errors import Misfit, PreinitError, UsageError, quoted
from ..options import Options
from ..passes.instrument.start import exported_start
from ..passes.parse.source import Wasm, binary, is_component, read_preloads
from ..passes.parse.supported import check_supported
from ..passes.plan.initializers import REACTOR_START, Call, choose
from ..passes.plan.job import host_of
from ..records import replaced
from ..tuples import NamedTuple


class Subject(NamedTuple):
    """`wasm` is what is compiled, `start` the export of its start function, `calls` what is called after that.

    `preloads`: modules that it imports from, parsed, and `preload_code` what to compile of each. `to_output`: the last
    call is only measured up to what it prints first, or to its end.
    """

    name: str
    module: Module
    wasm: bytes
    start: str | None
    calls: tuple[Call, ...]
    preloads: Mapping[str, Module]
    preload_code: Mapping[str, bytes]
    to_output: bool = False

    @property
    def functions(self) -> tuple[str, ...]:
        names = [*(["start function"] if self.start else []), *(call.name for call in self.calls)]
        if self.to_output:
            names[-1] += " up to its first output"
        return tuple(names)


def subjects(original: Wasm, output: Wasm, options: Options, afterwards: Sequence[str]) -> tuple[Subject, Subject]:
    """Both modules; the original's calls are what a build runs. `afterwards`: calls to both, once they are ready.

    A program that is paused goes on in the output: then both run to what they print first. Raises what reading a module
    and choosing an initializer raise, and `UsageError`.
    """
    pauses = options.pause is not None
    if pauses and afterwards:
        raise UsageError(
            "a program that was paused is measured up to what it prints first, so nothing is called after that",
            hint="Leave out `--call` or `--pause-at`.",
        )
    with about("original"):
        before = _read(original, options)
        preloads, preload_code = read_preloads(before, options)
        calls = (*choose(before, options), *_calls(before, afterwards))
    with about("output"):
        after = _read(output, options)
        later = _goes_on(after, calls[-1]) if pauses else _calls(after, afterwards)
    return (
        _subject("original", before, calls, preloads, preload_code)._replace(to_output=pauses),
        _subject("output", after, later, preloads, preload_code)._replace(to_output=pauses),
    )


def are_components(original: bytes, output: bytes) -> bool:
    """Whether both are components. Raises `Misfit` where one is."""
    found = is_component(original), is_component(output)
    if found[0] != found[1]:
        one, other = ("original", "output") if found[0] else ("output", "original")
        raise Misfit(f"the {one} is a component, and the {other} is none", hint="Give what the output was made from.")
    return found[0]


def _goes_on(output: Module, paused: Call) -> tuple[Call, ...]:
    """The call that goes on from the pause: what it was given is in the output. Raises `Misfit`."""
    if paused.name not in output.exported_names:
        raise Misfit(f"there is no export {quoted(paused.name)} that could go on from a pause")
    return (paused,)


def _read(wasm: Wasm, options: Options) -> Module:
    module = parse(binary(wasm))
    check_supported(module, options)
    return module


@contextmanager
def about(name: str) -> Iterator[None]:
    """Says of which of the modules an error speaks."""
    try:
        yield
    except PreinitError as problem:
        problem.where = f"the {name}, {problem.where}" if problem.where else f"the {name}"
        raise


def _calls(module: Module, texts: Sequence[str]) -> tuple[Call, ...]:
    """Exports to call, without the constructors that an initializer has before it."""
    try:
        found = [choose(module, Options(init_funcs=(text,)))[-1:] for text in texts]
    except PreinitError as problem:
        problem.what = problem.what.replace("the initializer", "the function")
        problem.hint = problem.hint and problem.hint.replace("-f ", "--call ")
        raise
    return tuple(call for calls in found for call in calls if call.name != REACTOR_START)


def _subject(
    name: str,
    module: Module,
    calls: tuple[Call, ...],
    preloads: Mapping[str, Module],
    preload_code: Mapping[str, bytes],
) -> Subject:
    used = {entry.module for entry in module.imports}
    wanted = {title for preload in preloads.values() for title in (entry.module for entry in preload.imports)}
    wasm, start = exported_start(module)
    needed = {title: preload for title, preload in preloads.items() if title in used | wanted}
    return Subject(name, module, wasm, start, calls, needed, {title: preload_code[title] for title in needed})


def hermetic(options: Options) -> Options:
    """The same options with what a build's guest sees, but what it prints is dropped: it would do so in every round."""
    return replaced(options, host=replaced(host_of(options), quiet_guest=True))
