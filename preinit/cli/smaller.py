"""The smaller of two outputs: how much garbage a collector leaves in memory depends on the clock that it reads."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import BudgetExceeded, InitializerFailed, WarningsRefused
from ..passes.observer import Observer

if TYPE_CHECKING:
    from ..options import Options
    from ..result import Result

#: How the clock moves in a second build: young objects get less room, and more of them become old. Neither this pace
#: nor the usual one suits all programs: for some, outputs have twice the size.
OTHER_PACE = 16


#: The second build may take so many seconds, and so many times as long as the first: the guest may wait for ever.
_SECONDS, _TIMES = 30, 10


def build_smaller(data: bytes, options: Options, observer: Observer, once: bool) -> Result:
    """What a build gives, or, where the guest measured time, what it gives with the clock at another pace.

    `once`: not that. Raises what building raises; what the guest does in the second build only matters if it goes well.
    """
    from ..options.fields import changed
    from ..passes.pipeline import build_module  # imports the engine

    if once or options.host.irreversible is not None:
        return build_module(data, options, observer)
    begun = time.monotonic()
    results: list[Result] = []
    excess: BudgetExceeded | None = None
    try:
        # Its memory is freed; but code that can be stopped takes longer to compile.
        results.append(build_module(data, changed(options, {"_process_ends": options.timeout is not None}), observer))
    except BudgetExceeded as problem:
        excess = problem
    if results and results[0].report.host.monotonic_reads <= OTHER_PACE:
        return results[0]
    longest = _SECONDS + _TIMES * (time.monotonic() - begun)
    timeout = min(options.timeout or longest, longest)
    other = {"clock_pace": OTHER_PACE, "timeout": timeout, "stdout": _drop, "stderr": _drop}
    with suppress(InitializerFailed, BudgetExceeded, WarningsRefused):  # it went another way
        results.append(build_module(data, changed(options, other), Observer()))
    if not results and excess is not None:
        raise excess
    return min(results, key=lambda built: len(built.written))


def _drop(data: bytes) -> None:
    """What the guest prints was printed before."""
