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
    failed: tuple[LinkedModule, EngineError] | None = None
    for compiler in compilers:
        told = settings._replace(compiler=compiler)
        engine = new_engine(told)
        compiled: dict[int, ffi.Module] = {}
        for module in modules:
            check()
            try:
                wasm = module.code.wasm + b"".join(write.module_name(str(module.number)))
                compiled[module.base] = compile_module(engine, wasm, told, _kept(wasm, cache))
            except EngineError as problem:
                failed = module, problem
                break
        else:
            light = [module._replace(code=module.code._replace(wasm=b"")) for module in modules]
            return LinkedCode(compiler, engine, {module.base: module for module in light}, compiled)
    assert failed is not None
    code = failed[0].code
    assert isinstance(code, GuestCode)
    said = refusal(code, failed[1], settings.compiler)
    raise placed(said, failed[0].number, failed[0].base) from failed[1]


def _kept(wasm: bytes, cache: CodeCache | None) -> CodeCache | None:
    """The cache, for what takes longer to compile than to find there."""
    return cache if len(wasm) >= SMALL else None


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
    engines = new_engines(settings)
    compiled: dict[int, ffi.Module] = {}
    prepared: dict[int, Prepared] = {}
    for module in modules:
        check()
        if isinstance(module.code, StateCode):
            keeps, known = cache is not None, stored.get(module.base)
            try:
                prepared[module.base] = prepare(module.code, settings, None, keeps, known, engines)
            except Unsuited as problem:
                raise UnsuitedModule(problem, module.base) from problem
            continue
        try:
            wasm = module.code.wasm + b"".join(write.module_name(str(module.number)))
            # Compiled code fits one size of the stack.
            compiled[module.base] = compile_module(engines.engine, wasm, (settings, DEEP_STACK), _kept(wasm, cache))
        except EngineError as problem:
            other = "cranelift" if settings.compiler == "winch" else None
            raise Unsuited("engine", f"the engine refuses a core module: {first_line(problem)}", other) from problem
    light = [module._replace(code=module.code._replace(wasm=b"")) for module in modules]
    return LinkedCode(settings.compiler, engines.engine, {one.base: one for one in light}, compiled, prepared)
