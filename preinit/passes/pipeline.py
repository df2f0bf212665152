"""The passes in order: parse -> plan -> instrument -> run -> capture -> rewrite -> validate -> findings."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from ..binary.mapped import give_back
from ..engine.heap import give_back_large
from ..engine.ondemand.suitability import worthwhile
from ..engine.runtime import Deadline
from ..options import Options
from ..options.fields import given
from ..records import replaced
from .observer import Event, Listener, Observer
from .parse.source import Source, Wasm, is_component, read_source, read_within
from .validate.validity import InputCheck, Validity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from ..options.fields import Fields
    from ..result import Result
    from .rewrite import Rewritten
    from .run.kept import Kept


#: Bytes of a module from which on it takes longer to compile than to import the later passes.
_LARGE = 1 << 16


def build(
    wasm: Wasm, options: Options | None = None, *, progress: Listener | None = None, **fields: Unpack[Fields]
) -> Result:
    """Runs a module's initializer and writes a module that starts where it ended.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them.
    options: how to build; instead, the fields of `Options` and `Host` can be given by name:

        result = preinit.build("engine.wasm", init_funcs=["initialize-runtime"])
        Path("ready.wasm").write_bytes(result.wasm)

    progress: called with each `Event`: a stage begins or ends, something was found out.

    Returns the output and a report. Raises a `PreinitError`; which, says what is wrong.

    The guest runs in a thread of its own. After a `TimeLimit` or an interrupt it may still be compiling there; code
    that runs under a time limit stops at once.
    """
    from ..options.words import for_python

    with for_python():
        return with_python_hints(build_module(wasm, given(options, fields), Observer(progress)))


def build_module(wasm: Wasm, options: Options, observer: Observer) -> Result:
    """The same, for who reads messages in the words of the command line."""
    if options.process_ends:
        give_back_large()
    deadline = deadline_of(options, observer)
    component = None
    with observer.stage("parse"):
        data = read_within(wasm, deadline)
        if is_component(data):
            from .component import build_component, read_component_source

            component = read_component_source(data, options, deadline)
        else:
            source = read_source(data, options, deadline)
    if component is not None:
        return build_component(component, options, deadline, observer)
    if len(data) >= _LARGE:
        observer.listeners.append(partial(_import_ahead, source))
    return build_source(source, options, deadline, observer)


def build_source(
    source: Source,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    kept: Kept | None = None,
    validity: Validity | None = None,
) -> Result:
    """The passes after parsing. `kept`, `validity`: what is known from other builds of the module."""
    from .plan.make import make_job
    from .run.guest import run_guest

    with observer.stage("plan"):
        job = make_job(source, options, deadline)
    validity = validity or Validity(job.module, options)
    checking = InputCheck(validity, job.module, deadline, options.digest_modules)  # of a large module, while it runs
    # Instruments it, and again for another way to compile it; where much is to be compiled, it is validated before.
    with run_guest(job, observer, kept, checking) as paused:
        from ..result import Result
        from .capture import capture
        from .findings.accepted import check_accepted
        from .findings.report import find
        from .rewrite import rewrite
        from .rewrite.scrub import scrub
        from .validate import first_valid

        if options.host.late_dirs:
            from .late.folders import check_folders

            check_folders(paused.host)
        with observer.stage("capture"):
            snapshot = deadline.start(lambda: capture(job, paused)).result()
        scrubbed = scrub(job, snapshot)
        differences = None
        if options.audit:
            from .audit import audit

            with observer.stage("audit"):
                differences = audit(job, paused, snapshot)
        late = None
        if options.wants_late:
            from .late.bind import bind

            with observer.stage("late"):
                late = bind(job, paused, snapshot)
        checking.finish(observer)
        give_back(job.module.data)  # of which compiling has read most: writing the output takes memory, too
        outputs = rewrite(job, snapshot, paused, late, observer)
        output = first_valid(_told(outputs, observer), job, validity, observer)
        report = find(job, paused, snapshot, output, scrubbed, differences, late, observer.seconds)
    check_accepted(report, job, output)
    return Result(output.written, report)


def _told(outputs: Iterator[Rewritten], observer: Observer) -> Iterator[Rewritten]:
    for output in outputs:
        observer.wrote(output.written)
        yield output


def with_python_hints(result: Result) -> Result:
    """The result, whose warnings speak to a caller of the library."""

    from ..options.words import in_python

    hazards = tuple(replaced(found, hint=in_python(found.hint)) for found in result.report.warnings)
    return type(result)(result.written, replaced(result.report, warnings=hazards)) if hazards else result


def deadline_of(options: Options, observer: Observer) -> Deadline:
    """The deadline of a build that starts now."""
    deadline = Deadline(options.timeout, grace=not options.process_ends)
    deadline.doing = observer.doing
    return deadline


def get_ready(begins: bytes) -> None:
    """Imports what builds something that `begins` so, for who is still reading it."""
    for name in (".component",) if is_component(begins) else (".plan.make", ".run.guest"):
        import_module(name, __package__)


def _import_ahead(source: Source, event: Event) -> None:
    """Gets the later passes ready while the engine compiles, which it does outside of Python's lock."""
    if event[:2] == ("begins", "compile"):
        with suppress(RuntimeError):  # too many threads
            threading.Thread(target=_get_ready, args=(source,), daemon=True).start()


def _get_ready(source: Source) -> None:
    with suppress(Exception):  # it is imported again, and then said
        if worthwhile(source.module):  # it is compiled on demand, perhaps
            from ..engine.own import finder

            finder.get_ready()
        for name in (".capture", ".findings.accepted", ".findings.report", ".rewrite", ".validate"):
            import_module(name, __package__)
        from .rewrite.layout import get_ready

        get_ready(source.module.memories)
