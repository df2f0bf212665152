"""The smaller of two outputs: how much garbage a collector leaves in memory depends on the clock that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import PreinitError, TimeLimit
from ..passes.observer import Observer

if TYPE_CHECKING:
    from ..options import Options
    from ..result import Result

#: How the clock moves in a second build: young objects get less room, and more of them become old. Neither this pace
#: nor the usual one suits all programs: for some, outputs have twice the size.
OTHER_PACE = 16


def build_smaller(data: bytes, options: Options, observer: Observer, once: bool) -> Result:
    """What a build gives, or, where the guest measured time, what it gives with the clock at another pace.

    `once`: not that. Raises what building raises; of the second build, only that the time is over.
    """
    from ..options.fields import changed
    from ..passes.pipeline import build_module  # imports the engine

    again = options.host.irreversible is None and not once
    result = build_module(data, changed(options, {"_process_ends": False}) if again else options, observer)
    if not again or result.report.host.monotonic_reads <= OTHER_PACE:
        return result
    other = changed(options, {"clock_pace": OTHER_PACE, "stdout": _drop, "stderr": _drop})
    try:
        return min(result, build_module(data, other, Observer()), key=lambda built: len(built.wasm))
    except TimeLimit:
        raise
    except PreinitError:  # it went another way, of which the first says nothing
        return result


def _drop(data: bytes) -> None:
    """What the guest prints was printed before."""
