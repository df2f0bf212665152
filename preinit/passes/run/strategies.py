"""Which ways there are to compile a guest, best first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...binary.module import Module
from ...engine.ondemand.suitability import unsuitable, worthwhile
from ...engine.runtime import has_winch
from ...engine.values import Unsuited
from ...errors import counted
from ...errors.reason import Reason
from ...options import Options
from ...tuples import NamedTuple

if TYPE_CHECKING:
    from ...engine.profile import Profile

ASKED_FOR = Reason("asked-for", "asked for")


class Strategy(NamedTuple):
    """How to compile: with `engine` "whole" or "ondemand", `compiler` as in the options; why not another way.

    `profile`: what an earlier build learnt.
    """

    engine: str
    compiler: str
    reason: Reason
    profile: Profile | None = None

    def __str__(self) -> str:
        known = (
            f"; {counted(len(self.profile.chunks), 'part')} from the cache"
            if self.profile and self.profile.chunks
            else ""
        )
        return f"{'whole' if self.engine == 'whole' else 'on demand'}, compiler {self.compiler}: {self.reason}{known}"

    def suits(self, problem: Unsuited) -> bool:
        """Whether it is worth trying after that problem with another one."""
        return self.engine == "whole" or self.compiler == problem.compiler

    def after(self, problem: Unsuited) -> Strategy:
        """The same, tried because of that problem."""
        return self._replace(reason=problem.reason) if self.engine == "whole" else self


def strategies(module: Module, options: Options, read: Callable[[], Profile | None]) -> Iterator[Strategy]:
    """The strategies to try, one after the other. The last one is always the whole module.

    `read` gives what an earlier build learnt about the module.
    """
    whole = Strategy("whole", options.compiler, ASKED_FOR)
    if options.engine != "whole":
        reason = options.host.irreversible
        if reason is None and options.engine == "auto" and not worthwhile(module):
            reason = Reason("code-small", "its code is small")
        profile = None if reason else read()
        if reason is None:
            reason = unsuitable(module, known=bool(profile and profile.chunks))
        if reason is None and profile and options.engine == "auto":
            reason = profile.whole
        if reason is None:
            why = ASKED_FOR if options.engine == "ondemand" else Reason("code-large", "its code is large")
            compilers = [options.compiler]
            if options.compiler == "auto":
                # The baseline compiler has no exceptions: it serves as long as none is thrown.
                baseline = has_winch() and (not module.tags or _does_without_tags(module, options))
                compilers = ["winch", "cranelift"] if baseline else ["cranelift"]
            if profile and profile.compiler in compilers:
                compilers = compilers[compilers.index(profile.compiler) :]
            for compiler in compilers:
                yield Strategy("ondemand", compiler, why, profile)
        else:
            whole = whole._replace(reason=reason)
    yield whole


def _does_without_tags(module: Module, options: Options) -> bool:
    from ...engine.ondemand.exceptions import can_do_without

    return can_do_without(module) and not options.preloads
