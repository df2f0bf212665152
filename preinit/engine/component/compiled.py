"""Core modules of a component, compiled for one engine: each as a whole, or so that what is called is compiled then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ...binary import encoder as write
from ...errors import PreinitError
from ...tuples import NamedTuple
from .. import ffi
from ..code import CodeCache, compile_module
from ..guest import GuestCode, StateCode
from ..ondemand.prepared import SMALL, Prepared, new_engines, prepare
from ..profile import Profile
from ..runtime import DEEP_STACK, EngineSettings, has_winch, new_engine
from ..validation import first_line, refusal
from ..values import EngineError, Unsuited


class LinkedModule(NamedTuple):
    """A core module: its instrumented copy, the export of its start function, where its bytes begin in the file.

    The copy of one that is compiled on demand is its state.
    """

    code: GuestCode | StateCode
    start: str | None
    base: int
    number: int


class LinkedCode(NamedTuple):
    """The modules of a component by where they begin, compiled with `compiler` for one engine.

    `prepared`: those that are compiled on demand; `compiled`: the others.
    """

    compiler: str
    engine: ffi.Engine
    modules: Mapping[int, LinkedModule]
    compiled: Mapping[int, ffi.Module]
    prepared: Mapping[int, Prepared] = MappingProxyType({})


class UnsuitedModule(Unsuited):
    """A core module can't be compiled on demand: the one that begins at `start`."""

    def __init__(self, problem: Unsuited, start: int) -> None:
        super().__init__(problem.reason.code, problem.reason.text, problem.compiler, problem.lasting)
        self.start = start


def compile_linked(
    modules: Sequence[LinkedModule],
    settings: EngineSettings,
    cache: CodeCache | None,
    check: Callable[[], None],
    placed: Callable[[PreinitError, int, int], PreinitError],
) -> LinkedCode:
    """Compiles all modules with one compiler. `settings.compiler` may be "auto": the baseline compiler where it can.

    `check`: raises when time is over. Raises what the engine says about a module, as `placed` says it of the module's
    number and where it begins.
    """
    compilers = [settings.compiler]
    if settings.compiler == "auto":
        compilers = ["winch", "cranelift"] if has_winch() else ["cranelift"]
    failed: _Refused | None = None
    for compiler in compilers:
        told = settings._replace(compiler=compiler)
        engine = new_engine(told)
        try:
            compiled = _compile(engine, modules, told, cache, check)
        except _Refused as problem:
            failed = problem
            continue
        light = [module._replace(code=module.code._replace(wasm=b"")) for module in modules]
        return LinkedCode(compiler, engine, {module.base: module for module in light}, compiled)
    assert failed is not None
    code = failed.module.code
    assert isinstance(code, GuestCode)
    said = refusal(code, failed.problem, settings.compiler)
    raise placed(said, failed.module.number, failed.module.base) from failed.problem


class _Refused(Exception):
    """The engine does not take a module."""

    def __init__(self, module: LinkedModule, problem: EngineError) -> None:
        super().__init__(str(problem))
        self.module, self.problem = module, problem


def _compile(
    engine: ffi.Engine,
    modules: Sequence[LinkedModule],
    settings: object,
    cache: CodeCache | None,
    check: Callable[[], None],
) -> dict[int, ffi.Module]:
    """The modules by where they begin. Raises `_Refused`.

    Small ones are one entry of the cache: to look for each would take as long as to compile it.
    """
    found: dict[int, ffi.Module] = {}
    if cache:
        small = {module.base: _wasm(module) for module in modules if len(module.code.wasm) < SMALL}
        try:
            found.update(zip(small, cache.compile_all(engine, [*small.values()], settings), strict=True))
        except EngineError:
            cache = None  # each by itself, to know which one it is
    for module in modules:
        check()
        if module.base in found:
            continue
        try:
            found[module.base] = compile_module(engine, _wasm(module), settings, cache)
        except EngineError as problem:
            raise _Refused(module, problem) from problem
    return found


def _wasm(module: LinkedModule) -> bytes:
    """What runs: named by its number where it has functions."""
    if isinstance(module.code, StateCode):
        return module.code.wasm
    return module.code.wasm + b"".join(write.module_name(str(module.number)))


def compile_on_demand(
    modules: Sequence[LinkedModule],
    settings: EngineSettings,
    cache: CodeCache | None,
    check: Callable[[], None],
    stored: Mapping[int, Profile],
) -> LinkedCode:
    """The same where some modules are a `StateCode`: of those, what is called is compiled when it is called.

    `settings.compiler` is one. `stored`: what earlier builds compiled, by where a module begins. Raises `Unsuited`.
    """
    engines = new_engines(settings, parallel=True)
    prepared: dict[int, Prepared] = {}
    try:
        # Compiled code fits one size of the stack.
        compiled = _compile(engines.engine, modules, (settings, DEEP_STACK), cache, check)
    except _Refused as refused:
        other = "cranelift" if settings.compiler == "winch" else None
        said = first_line(refused.problem)
        if isinstance(refused.module.code, StateCode):
            problem = Unsuited("engine", f"the engine refuses a part of it: {said}", other)
            raise UnsuitedModule(problem, refused.module.base) from refused
        raise Unsuited("engine", f"the engine refuses a core module: {said}", other) from refused.problem
    for module in modules:
        if isinstance(module.code, StateCode):
            keeps, known, state = cache is not None, stored.get(module.base), compiled.pop(module.base)
            prepared[module.base] = prepare(module.code, settings, None, keeps, known, engines, state)
    light = [module._replace(code=module.code._replace(wasm=b"")) for module in modules]
    return LinkedCode(settings.compiler, engines.engine, {one.base: one for one in light}, compiled, prepared)
