"""What is to be said about a capture: its warnings, and the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..binary.module import Module, read_sections
from ..binary.sections import ExternKind
from ..errors import Frame, counted, printable
from ..options.capture import Capturing
from ..options.hints import option
from ..options.record import record
from ..options.words import in_capture
from ..passes.findings.module import custom_warnings, stack_pointer_warnings
from ..passes.findings.report import code_offset, module_facts, snapshot_facts
from ..passes.findings.world import callers_text, hazards, hinted
from ..passes.plan.job import Job
from ..passes.rewrite.module import Rewritten
from ..records import replaced
from ..result import (
    REPORT_VERSION,
    BuildWarning,
    CaptureFacts,
    EngineFacts,
    HostFacts,
    Report,
    StandInFacts,
)
from ..version import VERSION
from .asked import frames_of, host_facts
from .descriptors import listed, lost_files, of_files, paths
from .imports import HANDLES
from .instrument import stack_pointer
from .kept import besides_warnings, warnings_of
from .loading import KEEP_ADDRESSES, in_words, loading_warnings, moved
from .program import Node
from .proof import Proof
from .recording import Recording
from .standins import StandIn, described, is_helper, is_known, left_of_start, may_run_once
from .state import Captured

#: What keeps Node alive without the program's doing: its own streams.
_STREAMS = ("TTYWrap", "PipeWrap", "CloseReq")
#: What to do about what a program keeps, where that is something else than for a module without JavaScript.
_HINTS = {
    "environment-frozen": "Have resume(program) hand over what instances are to have, by a function that the program "
    "exports (in C, one that calls setenv): what the glue is given is not looked at. Never give a secret.",
    "arguments-frozen": "Have resume(program) hand them over, by a function that the program exports: what the glue is "
    "given is not looked at.",
    "stdin-consumed": "Read standard input where instances do, not in prepare(program).",
}
#: Names that a message lists.
_FEW = 6
#: Names that a hint lists, so that it can be copied.
_MOST_NAMED = 40


def report_of(
    job: Job,
    recording: Recording,
    captured: Captured,
    output: Rewritten,
    made: Sequence[StandIn],
    proof: Proof,
    node: Node,
    script: str,
    wanted: Capturing,
    passes: dict[str, float],
) -> Report:
    """The report of a capture."""
    module, options = job.module, job.options
    found = read_sections(output.written)
    compressed = options.measure_gzip or options.max_gzip is not None
    moved = code_offset(module.sections) != code_offset(found)
    host = host_facts(module, recording, made)
    functions = len(module.bodies)
    reason = "it is captured in Node, in its own JavaScript glue"
    stand_ins = tuple(
        StandInFacts(o.export, o.why, o.called, o.replayed, paths(o.reopened), o.dropped, o.unknown) for o in made
    )
    chosen = {name: list(getattr(wanted, name)) for name in ("once", "replay", "drop", "forget_fd")}
    return Report(
        version=REPORT_VERSION,
        preinit=VERSION,
        layout=options.layout,
        engine=EngineFacts("node", "v8", reason, functions, functions, 0, 1, reason_code="glue"),
        input=module_facts(module.data, module.sha256, module.sections, options.measure_gzip),
        output=module_facts(output.written, output.sha256, found, compressed),
        runs=(),
        passes=passes,
        snapshot=snapshot_facts(module, captured.snapshot, output),
        host=host,
        options={**record(options, {}), "capture": chosen},
        warnings=(
            *_in_capture(custom_warnings(module, moved)),
            *_in_capture(stack_pointer_warnings(module, captured.snapshot)),
            *_in_capture(hinted(hazards(host), _HINTS)),
            *_of_devices(module, recording),
            *_of_zone(host),
            *_warnings(module, recording, captured, made, proof, wanted),
        ),
        capture=CaptureFacts(
            node.version, script, stand_ins, proof.answered, proof.differences, proof.before, proof.after
        ),
    )


def _in_capture(warnings: Iterable[BuildWarning]) -> Iterator[BuildWarning]:
    for one in warnings:
        yield replaced(one, message=in_capture(one.message), hint=in_capture(one.hint))


def _of_zone(host: HostFacts) -> Iterator[BuildWarning]:
    for name in ("tzset_js", "tzset"):
        if name in host.causes:
            yield BuildWarning(
                "environment-frozen",
                f"the program asked for the time zone{_where(host.causes[name])} and was told that of a capture, "
                "UTC: C libraries keep that answer",
                "Use local times (localtime, mktime, tzset) in instances only, or UTC everywhere.",
            )
            break
    language = host.causes.get("language")
    if language is not None and language != host.causes.get("environ_sizes_get"):  # which takes LANG from there
        yield BuildWarning(
            "environment-frozen",
            f"the program asked for the user's language{_where(language)} and was told that of a capture, which is no "
            "instance's",
            "Have resume(program) hand over what instances are to have.",
        )


def _of_devices(module: Module, recording: Recording) -> Iterator[BuildWarning]:
    for path, size, frames in recording.asked.devices:
        yield BuildWarning(
            "stdin-consumed",
            f"the program read {counted(size, 'byte')} of the device {printable(path)}"
            f"{_where(frames_of(module, frames))}: what it keeps of that, or that it had ended, is the same in every "
            "instance",
            "Read it where instances do, not in prepare(program).",
        )


def _where(frames: tuple[Frame, ...]) -> str:
    where = callers_text(frames, "first in")
    return f" ({where})" if where else ""


def lost(
    module: Module, recording: Recording, made: Sequence[StandIn], loaded: Recording | None, wanted: Capturing
) -> str | None:
    """What to do about an output that answers otherwise: files that it does not have as they were, import calls of
    start-up, and after it, that it does not make, exports that its glue calls again; None where there is none."""
    unknown = {name: number for one in made for name, number in one.unknown.items()}
    again = may_run_once(module, recording, made)
    said = []
    for one in lost_files(recording, made, loaded.files if loaded else None, wanted):
        said.append(f"{one.message[0].upper()}{one.message[1:]}: {one.hint[0].lower()}{one.hint[1:]}")
    calls = [
        in_words(one)
        for one in moved(recording, loaded, resting_of(module, recording))
        if one.export not in {one.export for one in made}
    ]
    if calls:
        said.append(f"Of what load() called, {', '.join(calls[:_FEW])}. {KEEP_ADDRESSES}")
    if unknown:
        options = _named("--replay", unknown)
        said.append(f"It does not call again {described(unknown)} when it is loaded: have that done with {options} .")
    late = {entry.title: entry.late for entry in recording.imports if entry.late and not is_known(entry)}
    if late:
        said.append(
            f"After it was loaded, the program called {described(late)}: what JavaScript keeps of that, files in its "
            "memory, say, is not in the output."
        )
    if again:
        said.append(
            "Some of what has run already may run again. If one of these, or more, must not, say so: "
            f"{', '.join(option('--once', name) for name in again[:_FEW])} ."
        )
    if not said:
        return None
    return " ".join([*said, "What only JavaScript knows otherwise, resume(program) must repeat."])


def _warnings(
    module: Module,
    recording: Recording,
    captured: Captured,
    made: Sequence[StandIn],
    proof: Proof,
    wanted: Capturing,
) -> Iterator[BuildWarning]:
    files = proof.loaded.files if proof.loaded else None
    yield from of_files(recording, made, files, wanted)
    yield from _of_start(module, recording, made, proof.loaded)
    yield from loading_warnings(
        recording, proof.loaded, called_again(module, recording, made), made, resting_of(module, recording)
    )
    for index, number in captured.foreign.items():
        yield BuildWarning(
            "glue-slots",
            f"{counted(number, 'function')} of JavaScript at the end of table {index} {'is' if number == 1 else 'are'} "
            "left out: no module can hold them",
            "Add them again in resume(program), in the same order (addFunction): they get the same slots.",
        )
    late, others = [], {}
    for entry in recording.imports:
        if entry.late and any(map(HANDLES.match, (entry.name, entry.provider))):
            late.append(entry.title)
        elif entry.late and not is_known(entry, wanted.drop):
            others[entry.title] = entry.late
    if others:
        yield BuildWarning(
            "glue-late",
            f"the program called {described(others)} after it was loaded: what JavaScript keeps of that is not in the "
            "output",
            f"If it keeps something, files in its memory, say, do the same in resume(program); if not, say so: "
            f"{_named('--drop', others)} .",
        )
    if late:
        yield BuildWarning(
            "glue-handles",
            f"the program made or used objects of JavaScript after it was loaded ({listed(late)}): what its "
            "handles name then is lost",
            "Make them again in resume(program), in the same order, or keep them out of prepare(program).",
        )
    alive = sorted({name for name in recording.resources if name not in _STREAMS})
    if alive:
        yield BuildWarning(
            "glue-alive",
            f"something of JavaScript is alive at the pause ({listed(alive)}): timers, workers, sockets and "
            "work that goes on are not in the output",
            "End them in prepare(program) - await what it began - and start them again in resume(program).",
        )
    yield from warnings_of(proof.left, recording.written)
    yield from besides_warnings(recording.beside)
    if recording.lost:
        yield BuildWarning(
            "glue-lost",
            f"{counted(recording.lost, 'call')} at the start of the program {'was' if recording.lost == 1 else 'were'} "
            "too many to be kept: none of them is made again",
            "Have load() do less; check with answer(program) that nothing is missing.",
        )
    if proof.answered is None:
        missing = (
            "the script exports no answer(program), or it returned nothing"
            if proof.differences is not None
            else "the script exports no load(), so that the output was not loaded"
        )
        unused = f"; it {proof.unused}" if proof.unused else ""
        yield BuildWarning(
            "glue-unproven",
            f"{missing}{unused}: nothing shows that the output answers as the input does",
            "Export load, prepare and answer from the script: docs/glue.md has an example.",
        )


def _of_start(
    module: Module, recording: Recording, made: Sequence[StandIn], loaded: Recording | None
) -> Iterator[BuildWarning]:
    for one in made:
        if one.unknown:
            yield BuildWarning(
                "glue-import-dropped",
                f"when the output is loaded, {printable(one.export)} does not call again {described(one.unknown)}: "
                "nobody knows whether JavaScript keeps something of that",
                f"If it does, have the calls made again: {_named('--replay', one.unknown)} ; if not, say so: "
                f"{_named('--drop', one.unknown)} .",
            )
        if one.threw:
            yield BuildWarning(
                "glue-threw",
                f"{printable(one.export)} ended by throwing when the program was loaded"
                f"{f' in {one.threw:,} of {one.swallowed:,} calls' * (one.swallowed > 1)}: in the output it returns",
                "Check with answer(program) that the glue does not wait for that.",
            )
        if one.called and not recording.loading.get(one.export):
            yield BuildWarning(
                "glue-once",
                f"{printable(one.export)} was called in prepare(program), and not when the program was loaded: "
                f"{counted(one.swallowed, 'call')} of it in the output will only return what was returned",
                "Name it with `--once` only if the glue, or answer(program), calls it in each instance.",
            )
    if left := left_of_start(recording, made):
        yield BuildWarning(
            "glue-import-dropped",
            f"the start function called {described(left)}, and no export of the output could do that again",
            "Do it in resume(program), if JavaScript keeps something of that.",
        )
    again = called_again(module, recording, made)
    if again:
        other = [
            in_words(one) for one in moved(recording, loaded, resting_of(module, recording)) if one.export in again
        ]
        once = [name for name in may_run_once(module, recording, made) if name in again]
        titles = [_titled(recording, name) for name in again]
        yield BuildWarning(
            "glue-start",
            f"the glue calls {listed(titles)} when it loads the program, and will again in the output, on a memory "
            f"that is prepared already{': ' * bool(other)}{', '.join(other[:_FEW])}",
            f"Where one must not run again, say so: {', '.join(option('--once', name) for name in once[:_FEW])} . "
            "What allocates memory must."
            if once
            else "Those that take arguments do what they are told: check with answer(program) that it is right.",
        )


def _titled(recording: Recording, name: str) -> str:
    """An export, and what the glue calls it where that is something else."""
    alias = next((call.alias for call in recording.calls if call.name == name and call.alias), name)
    return name if alias.lstrip("_") == name.lstrip("_") else f"{name} ({printable(alias)})"


def _named(flag: str, imports: Iterable[str]) -> str:
    return " ".join(option(flag, name) for name in list(imports)[:_MOST_NAMED])


def called_again(module: Module, recording: Recording, made: Sequence[StandIn]) -> list[str]:
    """Exports that glue calls when it loads the output, and that do there what they did; none where nothing says when
    the program was loaded."""
    if not recording.loaded:
        return []
    replaced = {one.export for one in made}
    functions = {e.name for e in module.exports if e.kind == ExternKind.FUNC}
    first = {call.name: call for call in reversed(recording.calls) if call.loading}
    return [name for name, call in first.items() if name in functions - replaced and not is_helper(call)][::-1]


def resting_of(module: Module, recording: Recording) -> int:
    """The stack pointer at the pause; 0 where nothing tells which global it is."""
    pointer = stack_pointer(module)
    return int.from_bytes(recording.state.numbers.get(-1 if pointer is None else pointer, b""), "little")
