"""Which core modules of a component are compiled on demand, and why; what is done where one turns out not to suit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...binary.module import Module, SectionId
from ...engine.component.compiled import UnsuitedModule
from ...engine.ondemand.chunk import title_prefix
from ...engine.ondemand.suitability import WORTHWHILE, unsuitable
from ...engine.profile import Profile
from ...engine.runtime import has_winch
from ...engine.values import Unsuited
from ...errors import counted
from ...errors.reason import Reason
from ...options import Options
from ...tuples import NamedTuple
from ..run.strategies import ASKED_FOR
from .plan import ComponentPlan
from .source import ComponentSource

#: Bytes of code from which on a module is compiled on demand beside a large one.
_WORTHWHILE_BESIDE = 100_000


class Way(NamedTuple):
    """A way to compile: with `compiler` as in the options; `unsuited`: modules that are compiled as wholes, by where
    they begin, and why; None stands for all of them."""

    compiler: str
    unsuited: tuple[tuple[int | None, Reason], ...] = ()

    def after(self, problem: Unsuited) -> Way:
        """The next one to try."""
        if problem.compiler and self.compiler == "auto":
            return self._replace(compiler=problem.compiler)
        start = problem.start if isinstance(problem, UnsuitedModule) else None
        return self._replace(unsuited=(*self.unsuited, (start, problem.reason)))


class Choice(NamedTuple):
    """The modules that are compiled on demand, by where they begin; and why these, or none."""

    on_demand: tuple[int, ...]
    reason: Reason


def choose_modules(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    way: Way,
    read: Callable[[int], Profile | None],
) -> Choice:
    """Decides by what the component's recipe shows: how much code its modules have, and how many instances.

    `read`: gives what earlier builds learnt about a module.
    """
    unsuited = dict(way.unsuited)
    if options.engine == "whole":
        return Choice((), ASKED_FOR)
    if options.host.irreversible:
        return Choice((), options.host.irreversible)
    if None in unsuited:
        return Choice((), unsuited[None])
    modules = {start: source.parts[start].module for start in dict.fromkeys(plan.instances)}
    sizes = {start: _code_size(module) for start, module in modules.items()}
    if not sizes:
        return Choice((), Reason("no-core-modules", "it has no core module"))
    asked = options.engine == "ondemand"
    if not asked and max(sizes.values()) < WORTHWHILE:
        return Choice((), Reason("code-small", "its code is small"))
    wanted = [start for start, size in sizes.items() if size >= (0 if asked else _WORTHWHILE_BESIDE)]
    reasons = {start: unsuited.get(start) or _unsuited(modules, plan, start, read) for start in wanted}
    found = tuple(start for start in wanted if reasons[start] is None)
    largest = max(wanted, key=sizes.__getitem__)
    if not found or (reasons[largest] and not asked):
        return Choice((), reasons[largest] or ASKED_FOR)
    if asked:
        return Choice(found, ASKED_FOR)
    share = sum(sizes[start] for start in found) * 100 // sum(sizes.values())
    return Choice(
        found,
        Reason("code-large", f"its code is large; {share}% of it is in {counted(len(found), 'module')} of that kind"),
    )


def _code_size(module: Module) -> int:
    code = module.section(SectionId.CODE)
    return code.end - code.start if code else 0


def _unsuited(
    modules: Mapping[int, Module], plan: ComponentPlan, start: int, read: Callable[[int], Profile | None]
) -> Reason | None:
    """Why a module is not compiled on demand."""
    if plan.instances.count(start) > 1:
        return Reason("several-instances", "a core module has several instances")
    own = title_prefix(modules[start])  # which frames name them by
    if sum(title_prefix(module) == own for module in modules.values()) > 1:
        return Reason("several-instances", "two core modules differ in nothing but code and data")
    profile = read(start)
    if profile and profile.whole:
        return profile.whole
    return unsuitable(modules[start], known=bool(profile and profile.chunks))


def compiler_for(modules: Iterator[Module], compiler: str) -> str:
    """The compiler for code on demand: the baseline compiler has no exceptions, and a module with tags uses them."""
    if compiler != "auto":
        return compiler
    return "winch" if has_winch() and not any(module.tags for module in modules) else "cranelift"
