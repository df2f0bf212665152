"""The passes of a component, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING

from ...engine.room import has_limit
from ...engine.runtime import Deadline
from ...files.cache import folder_of
from ...options import Options
from ..observer import Event, Observer
from .beside import Beside
from .choice import Way
from .plan import make_component_plan
from .run import Compiled, Once, run_component
from .shell import check_shell, hollows
from .source import ComponentSource, check_parts
from .stores import Stores
from .validity import Validities

if TYPE_CHECKING:
    from ...result import Result


def build_component(
    source: ComponentSource,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    once: Once | None = None,
    validities: Validities | None = None,
) -> Result:
    """The passes after parsing. `once`: gives what other builds have compiled; `validities`: what they found valid.

    Raises a `PreinitError`.
    """
    validities, stores = validities or Validities(source, options), Stores(source, options)
    if once is None:  # else it is compiled already, or will be for many builds
        once = _at_once
        stores.read_ahead(deadline)
    with observer.stage("plan"):
        cache = folder_of(options.cache_dir) if options.cache else None
        hollow_parts = hollows(source, deadline)
        check_shell(source.component, hollow_parts, deadline, cache)
        plan = deadline.start(partial(make_component_plan, source, options)).result()
        check_parts(source, plan.instances, options)
    compiled: dict[Way, Compiled] = {}
    if options.audit:
        once = _remembered(once, compiled)
    digests = [deadline.start(lambda: source.sha256)] if options.digest_modules else []  # beside all else
    large = [] if options.engine == "whole" or has_limit() else validities.large()
    checks = [deadline.start(partial(validities.check_inputs, large, deadline, False))] if large else []
    beside = Beside(validities, hollow_parts, cache, checks, large, digests)
    observer.listeners.append(partial(_import_ahead, source))
    with run_component(source, plan, options, deadline, observer, once, checks=checks, stores=stores) as paused:
        from .output import finish

        return finish(source, plan, options, deadline, observer, once, paused, beside)


def _import_ahead(source: ComponentSource, event: Event) -> None:
    """Gets the later passes ready while the guest runs, which it does outside of Python's lock."""
    if event[:2] == ("begins", "run"):
        with suppress(RuntimeError):  # too many threads
            threading.Thread(target=_get_ready, args=(source,), daemon=True).start()


def _get_ready(source: ComponentSource) -> None:
    with suppress(Exception):  # it is imported again, and then said
        import_module(".output", __package__)
        from ..rewrite.layout import get_ready

        get_ready(chain.from_iterable(part.module.memories for part in source.parts.values()))


def _at_once(_way: Way, compile_it: Callable[[], Compiled]) -> Compiled:
    return compile_it()


def _remembered(once: Once, compiled: dict[Way, Compiled]) -> Once:
    """The same, for who runs the component several times."""

    def get(way: Way, compile_it: Callable[[], Compiled]) -> Compiled:
        if way not in compiled:
            compiled[way] = once(way, compile_it)
        return compiled[way]

    return get
