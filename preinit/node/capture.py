"""Capturing a program in its own JavaScript glue, in the order in which that is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..binary.encoder import PREAMBLE
from ..errors import AnswerDiffers, NotWasm, Unreadable, UsageError, quoted
from ..host.output import Output
from ..options import Options
from ..options.accepted import watched
from ..options.capture import SHARED, Capturing
from ..options.declared import Effect, declared
from ..options.fields import given
from ..options.host import Host
from ..options.words import for_capture, for_python
from ..passes.findings.accepted import check_accepted
from ..passes.observer import Listener, Observer
from ..passes.parse.source import Wasm, parse_within
from ..passes.pipeline import deadline_of, with_python_hints
from ..passes.plan.job import Job
from ..passes.plan.owners import ownership
from ..result import Result
from .findings import lost, report_of
from .guard import guarded_folder
from .imports import replayed_pattern
from .instrument import instrument, stack_pointer
from .program import find_node
from .proof import load, prove
from .recording import recording_of
from .rewriting import plan_of, ways
from .runs import Script, run
from .standins import MOST_CALLS, stand_ins, whole
from .state import captured, check_fits, check_module, check_owner, check_pause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from ..options.fields import Fields


def capture(
    wasm: Wasm,
    script: str | os.PathLike[str],
    *,
    once: Sequence[str] = (),
    replay: Sequence[str] = (),
    drop: Sequence[str] = (),
    forget_fd: Sequence[int] = (),
    node: str | os.PathLike[str] | None = None,
    options: Options | None = None,
    progress: Listener | None = None,
    **fields: Unpack[Fields],
) -> Result:
    """Runs a program in Node, in its own JavaScript glue, and writes a module that starts where a script left it.

    Parameters
    ----------
    wasm: the module that the glue loads, as bytes or as a path.
    script: the path of a JavaScript module. It exports `load()`, which loads the glue as always and returns the
        program; `prepare(program)`; and, where needed, `resume(program)`, which repeats in an instance of the output
        what only JavaScript knows, and `answer(program)`, a value that input and output must have in common.
    once, replay, drop, forget_fd, node: see `Capturing`.
    options, fields: those of a build that have a meaning here: `args`, what the script finds in
        `process.argv` behind its own name; `layout`, `clock`, `random`, `timeout`, `max_memory`,
        what is said of what the script prints, budgets, `strict` and `accept`.

    The output is loaded in its own glue before it is given back. Raises a `PreinitError`: `ScriptFailed`,
    `CaptureRefused`, `AnswerDiffers`, `ToolMissing` without Node, and those of a build.
    """
    wanted = Capturing(once=once, replay=replay, drop=drop, forget_fd=forget_fd, node=node)
    with for_python():
        return with_python_hints(
            capture_module(wasm, os.fspath(script), given(options, fields), wanted, Observer(progress))
        )


def capture_module(wasm: Wasm, path: str, options: Options, wanted: Capturing, observer: Observer) -> Result:
    """The same, for who reads messages in the words of the command line."""
    with for_capture():
        return _captured(wasm, path, options, wanted, observer)


def _captured(wasm: Wasm, path: str, options: Options, wanted: Capturing, observer: Observer) -> Result:
    _check(options)
    deadline = deadline_of(options, observer)
    place = Path(path).absolute()
    if not place.is_file():
        why = "it is a folder" if place.is_dir() else "there is no such file"
        raise Unreadable(f"the script {quoted(path)} can't be read: {why}", where="the script")
    found_node = deadline.start(lambda: find_node(wanted.node))
    with observer.stage("parse"):
        try:
            module = parse_within(wasm, deadline, libraries=True)
        except NotWasm as problem:
            problem.hint = (
                "The module comes first, and then the script."
                if _is_module(place)
                else "Give the .wasm file that the glue loads. Where its JavaScript holds the bytes (SINGLE_FILE), "
                "build it with a .wasm file of its own, or take them out: docs/glue.md shows how."
            )
            raise
        check_module(module, options)
    program = found_node.result()
    with guarded_folder() as (folder, guard):
        script = Script(place, options.host.args, module, program, options.host, deadline, guard)
        with observer.stage("instrument"):
            copy, facts = instrument(module)
            facts["replayed"] = replayed_pattern(wanted.replay)
            facts["whole"], facts["most"] = whole(module, wanted.once), MOST_CALLS
            facts["callers"] = sorted(watched(options.accept))
        with observer.stage("script", place.name):
            output = Output(options.host, 0)
            outcome = run(script, "record", folder / "record", copy, output.to_error, facts)
            output.end()
        with observer.stage("capture"):
            recording = recording_of(outcome, folder / "record")
            check_fits(module, recording)
            check_pause(recording)
            check_owner(module, recording)
            owners = ownership(module, "restore")
            found = captured(module, recording, owners, options.max_memory)
            made = stand_ins(module, recording, stack_pointer(module), wanted)
        plan = plan_of(module, owners, options.layout, made, recording)
        outputs = ways(module, found.snapshot, plan, deadline, observer)
        loaded = None
        try:
            rewritten, loaded = load(script, outputs, folder, observer.stage)
            proof = prove(script, found.snapshot, rewritten, loaded, folder, observer.stage)
        except AnswerDiffers as problem:
            own = vars(problem).get("hint")
            more = lost(module, recording, made, loaded, wanted)
            problem.hint = " ".join(filter(None, (own, more))) or problem.hint
            raise
        job = Job(module, (), options, {}, {}, deadline, plan.exports)
        report = report_of(job, recording, found, rewritten, made, proof, program, place.name, wanted, observer.seconds)
    check_accepted(report, job, rewritten)
    return Result(rewritten.written, report)


def _is_module(place: Path) -> bool:
    try:
        with place.open("rb") as stream:
            return stream.read(4) == PREAMBLE[:4]
    except OSError:
        return False


def _check(options: Options) -> None:
    """Refuses options that would say how a build runs a module. Raises `UsageError`."""
    for holder in (options, options.host):
        for one in declared(type(holder)):
            shared = one.name in SHARED or one.effect is Effect.VERDICT
            if one.name in ("audit", "public_env") or not shared:
                kind = Options() if isinstance(holder, Options) else Host()
                if getattr(holder, one.name) != getattr(kind, one.name):
                    raise UsageError(
                        f"{quoted(one.name)} has no meaning in a capture: the program's own glue runs it",
                        hint="Leave it out; what the glue is given, the script says.",
                    )
