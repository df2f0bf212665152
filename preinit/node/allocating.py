"""Which calls allocate memory, and which give it back: known by their names; where these are minified, and nothing
tells what JavaScript calls them, by what they were handed and returned."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from .recording import ExportCall, LoadCall
from .standins import MINIFIED

#: Words of a name: `sqlite3_malloc64`, `xmlFreeDoc`, `__wbindgen_free`.
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ALLOCATES = re.compile(r"(?!de)\w*alloc|allocate|memalign|sbrk|znwm|znam")
_FREES = re.compile(
    r"[a-z]{0,2}free|\w*dealloc|deallocate|delete|destroy|dispose|release|drop|unpin|unref|decref|[a-z]?close"
    r"|finali[sz]e|zdlpv|zdapv"
)
#: Where nothing says where the stack is, no compiler lets the heap begin before.
_LOWEST = 1024
#: What allocates a lot at once gives places that any type may have.
_ALIGNED = 8


def names_of(name: str, first: Mapping[str, ExportCall]) -> list[str]:
    """What an export is called, in the module and in JavaScript; none where its name is minified and nothing else is
    known. `first`: the first call of each that was recorded."""
    known = [name] if len(name) > MINIFIED else []
    if call := first.get(name):
        known.append(call.alias)
        if len(name) <= MINIFIED:  # the function that called it may be the glue's that hands it on
            known += [frame for frame in call.frames[:1] if frame.startswith("_")]
    return [title for title in known if len(title) > MINIFIED]


def _is_one_of(kind: re.Pattern[str], names: Sequence[str]) -> bool:
    return any(kind.fullmatch(word.lower()) for name in names for word in _WORDS.findall(name))


def is_freed(calls: Sequence[LoadCall], place: int, first: Mapping[str, ExportCall]) -> bool:
    """Whether a call after the one at `place` gives back what that returned: it is handed it, and returns nothing."""
    given = calls[place].result
    if not isinstance(given, (int, str)) or not given:
        return False
    for later in calls[place + 1 :]:
        if later.result is None and later.arguments[:1] == (given,):
            names = names_of(later.name, first)
            if _is_one_of(_FREES, names) or (not names and len(later.arguments) == 1):
                return True
    return False


def allocated(calls: Sequence[LoadCall], first: Mapping[str, ExportCall], resting: int) -> Iterator[tuple[int, int]]:
    """Where calls allocated memory: its start and end. `resting`: the stack pointer, below which no heap is, or 0."""
    for call in calls:
        given = [size for size in call.arguments if isinstance(size, int) and size > 0]
        if not isinstance(call.result, int) or call.result < max(resting, _LOWEST) or not given:
            continue
        names = names_of(call.name, first)
        if names and _is_one_of(_ALLOCATES, names):
            yield call.result, call.result + _size(" ".join(names).lower(), given)
        elif not names and len(call.arguments) == 1 and call.result % _ALIGNED == 0:
            yield call.result, call.result + given[0]


def _size(names: str, given: Sequence[int]) -> int:
    """How much was asked for: what else there is among the arguments may be an address, or how it is to be aligned."""
    if "calloc" in names:
        return math.prod(given[:2])
    if "realloc" in names or "aligned" in names or "memalign" in names:
        return max(given[1:] or given)
    if len(given) == 1 or (len(given) == 2 and given[1] <= 64 and not given[1] & (given[1] - 1)):
        return given[0]
    return min(given)
