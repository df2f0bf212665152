"""Who provides each import while the initializer runs: the first one, in order, that takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..binary.module import Module
from ..binary.sections import ExternKind, Import
from ..binary.types import FUNCREF, I32, I64, FuncType
from ..engine.instance import Linkage
from ..errors import ImportCalled, ImportedState, WasiRefused, printable
from ..options.hints import preload
from ..tuples import NamedTuple
from .ledger import Calls
from .wasi1.abi import MODULE, NO_RESULT, SIGNATURES

if TYPE_CHECKING:
    from .pausing import Watch

_TYPES = {"i32": I32, "i64": I64}

#: An import, and its position among all of them.
Numbered = tuple[int, Import]

#: How functions are called that Emscripten's JavaScript provides to call back, and to throw and catch.
_CALLBACKS = "invoke_"
_UNWINDING = ("__cxa_", "longjmp", "_Unwind_", "__resumeException")

#: An extern of the engine.
Extern = Any


class Given(NamedTuple):
    """What the host of an output must provide, where an instance of one is made to look at it.

    `fresh`: memories and tables must be as if they were new. `resumes`: the guest is such an output: preloaded memories
    and tables grow to what it asks for, and those that need not be fresh hold something.
    """

    fresh: bool = False
    resumes: bool = False


class Provider(Protocol):
    """Something that can provide imports."""

    def takes(self, position: int, entry: Import) -> bool:
        """Whether this import is its own."""

    def provide(self, linkage: Linkage, taken: Sequence[Numbered]) -> Mapping[int, Extern]:
        """The externs for the imports that it took, by position. Raises `ImportedState`, `Misfit`."""


def _borrowers(modules: Mapping[str, Module]) -> tuple[str, ...]:
    from .lending import borrowers

    return borrowers(modules)


def resolve(imports: Sequence[Import], providers: Iterable[Provider]) -> list[tuple[Provider, list[Numbered]]]:
    """What each provider takes, in order; the last one takes what is left."""
    left = list(enumerate(imports))
    shares: list[tuple[Provider, list[Numbered]]] = []
    for provider in providers:
        taken = [numbered for numbered in left if provider.takes(*numbered)]
        shares.append((provider, taken))
        left = [numbered for numbered in left if not provider.takes(*numbered)]
    return shares


class Preloads:
    """Modules that the user named."""

    def __init__(self, modules: Mapping[str, Module], given: Given) -> None:
        self.modules = modules
        self._given = given
        self._exports = {(name, export.name) for name, module in modules.items() for export in module.exports}
        #: The names of those that need the guest, in order.
        self.late = _borrowers(modules) if modules else ()
        #: What those that were instantiated export.
        self.instances: dict[tuple[str, str], Extern] = {}

    def takes(self, position: int, entry: Import) -> bool:
        return (entry.module, entry.name) in self._exports

    def provide(self, linkage: Linkage, taken: Sequence[Numbered]) -> Mapping[int, Extern]:
        """Of those that can be had before there is a guest."""
        for name, module in self.modules.items():
            if name not in self.late:
                self.instantiate(linkage, name, [self.instances[e.module, e.name] for e in module.imports])
        early = [numbered for numbered in taken if not self.is_late(numbered[1])]
        found = {position: self.instances[entry.module, entry.name] for position, entry in early}
        for position, entry in early:
            self._prepare(linkage, entry, found[position])
        return found

    def is_late(self, entry: Import) -> bool:
        """Whether an import that is taken comes from a module that needs the guest itself."""
        return entry.module in self.late

    def instantiate(self, linkage: Linkage, name: str, externs: Sequence[Extern], *more: str) -> list[Extern]:
        """Makes an instance; its exports named `more`."""
        exports = [export.name for export in self.modules[name].exports]
        found = linkage.preload(name, externs, [*exports, *more])
        self.instances.update({(name, title): extern for title, extern in zip(exports, found, strict=False)})
        return found[len(exports) :]

    def _prepare(self, linkage: Linkage, entry: Import, extern: Extern) -> None:
        if self._given.resumes and entry.memory and not entry.memory.shared:
            linkage.grow(extern, False, entry.memory.minimum, entry.memory.page_size)
        elif self._given.resumes and entry.table and entry.table.type == FUNCREF:
            linkage.grow(extern, True, entry.table.limits.minimum)
        holds = entry.memory or entry.table
        if self._given.fresh and holds and linkage.in_use(extern, entry.table is not None):
            # A kept import is written as if it started empty: what the initializer cleared would come back.
            raise ImportedState(
                f"the preloaded {entry.kind.name.lower()} is in use before the initializer starts",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint="Use `--imports restore`, which fills whatever it is given.",
            )


class Wasi:
    """The functions of WASI preview 1; not those that are stubbed, or have another type than theirs.

    `function`: gives what is called, by name.
    """

    def __init__(
        self,
        module: Module,
        allowed: bool,
        stubbed: Iterable[int],
        function: Callable[[str], Callable[..., int | None]],
    ) -> None:
        self._module = module
        self._allowed = allowed
        self._stubbed = frozenset(stubbed)
        self._function = function

    def takes(self, position: int, entry: Import) -> bool:
        return self._allowed and position not in self._stubbed and wasi_parameters(self._module, entry) is not None

    def provide(self, linkage: Linkage, taken: Sequence[Numbered]) -> Mapping[int, Extern]:
        return {position: self._define(linkage, entry) for position, entry in taken}

    def _define(self, linkage: Linkage, entry: Import) -> Extern:
        results = () if entry.name in NO_RESULT else ("i32",)
        return linkage.define(SIGNATURES[entry.name], results, self._function(entry.name))


def wasi_parameters(module: Module, entry: Import) -> Sequence[str] | None:
    """The parameters of the WASI function that an import names; None if it is none, or has another type."""
    if entry.kind != ExternKind.FUNC or entry.module != MODULE or entry.name not in SIGNATURES:
        return None
    parameters = SIGNATURES[entry.name]
    expected = FuncType(tuple(_TYPES[t] for t in parameters), () if entry.name in NO_RESULT else (I32,))
    return parameters if module.types.functions[entry.type_index] == expected else None


class Generated:
    """A module that is made for the purpose: stubs, functions that fail when they are called, fresh state.

    Functions of others that are to be counted are called by one of its own.
    """

    def __init__(
        self,
        module: Module,
        stubs: Mapping[int, bytes | None],
        values: Mapping[str, str],
        wasi: bool,
        calls: Calls,
        given: Given,
        watch: Watch | None = None,
    ) -> None:
        self._module = module
        self._watch = watch
        self._stubs = stubs
        self._values = values
        self._has_wasi = wasi
        self._calls = calls
        self._given = given
        #: Name of a function, and what reads how often it was called.
        self.counters: list[tuple[str, Callable[[], int]]] = []
        #: The table that functions which come late must be put into, in order.
        self.late_functions: Extern = None

    def takes(self, position: int, entry: Import) -> bool:
        return True

    def provide(
        self,
        linkage: Linkage,
        taken: Sequence[Numbered],
        counted: Mapping[int, Extern] | None = None,
        late: Sequence[int] = (),
    ) -> Mapping[int, Extern]:
        """`counted`: functions of others by position, which are taken too. `late`: positions of those to come."""
        if not taken:
            return {}
        from .generated import provider as generate

        forwarded = counted or {}
        pausing = self._watch.imports if self._watch else ()
        made = generate(self._module, list(taken), self._values, self._stubs, forwarded, pausing, late)
        fault = linkage.define(("i32",), (), self._fault)
        used = [fault, linkage.define(("i32",), (), self._note), linkage.define(("i32",), ("i32",), self._pause)]
        used += [forwarded[position] for position, _ in taken if position in forwarded]
        found = linkage.provider(made.wasm, used, [*made.names, *made.counters.values(), *made.late])
        if made.late:
            self.late_functions = found.pop()
        for position, counter in zip(made.counters, found[len(made.names) :], strict=True):
            self.counters.append((title(self._module.imports[position]), linkage.number(counter)))
        externs = {position: extern for (position, _), extern in zip(taken, found, strict=False)}
        if self._given.resumes and not self._given.fresh:
            for position, entry in taken:
                if entry.memory:
                    linkage.fill(externs[position])
                elif entry.table and entry.table.type == FUNCREF:
                    linkage.fill(externs[position], fault)
        return externs

    def _note(self, position: int) -> None:
        """A stub or a preloaded function is called for the first time; from then on, the generated module counts."""
        self._calls.note(title(self._module.imports[position]))

    def _pause(self, position: int) -> int:
        return int(self._watch is not None and self._watch.before_import(title(self._module.imports[position])))

    def _fault(self, position: int) -> None:
        entry = self._module.imports[position]
        problem = self._problem(position, entry)
        problem.function = entry.name
        raise problem

    def _problem(self, position: int, entry: Import) -> ImportCalled:
        name = printable(title(entry))
        if position in self._stubs:
            return ImportCalled(
                f"the initializer called the import `{name}`, which is stubbed to trap",
                hint=_way_out(entry),
            )
        if entry.module == MODULE and not self._has_wasi:
            return WasiRefused(f"the initializer called `{name}`, and WASI is refused (--no-wasi)")
        if entry.module == MODULE and entry.name in SIGNATURES:
            return ImportCalled(
                f"the initializer called the import `{name}`, which has another type than WASI preview 1 gives it",
                hint="The module was built for another version of WASI: build it for wasm32-wasip1.",
            )
        return ImportCalled(
            f"the initializer called the import `{name}`, which does not exist at build time",
            hint=_way_out(entry),
        )


def _way_out(entry: Import) -> str:
    """What to do about a call of a function that is not there.

    No stub is proposed: one that does nothing is right for a few functions, and nothing tells which. What goes back
    into the module, unwinds its stack or is given an address would leave a module that was not initialized.
    """
    if entry.name.startswith(_CALLBACKS):
        return (
            "It calls a function of the module from outside, for exceptions and longjmp. Build the module so that it "
            "does that itself (with Emscripten: `-fwasm-exceptions -sSUPPORT_LONGJMP=wasm`), or move the call out of "
            "the initializer."
        )
    if any(part in entry.name for part in _UNWINDING):
        return (
            "The program throws an exception, or leaves by longjmp. Build the module so that it does that itself "
            "(with Emscripten: `-fwasm-exceptions -sSUPPORT_LONGJMP=wasm`). If nothing catches it, that is a failure."
        )
    provided = preload(entry.module)
    given = f", or give it the function: {provided} (a stub does nothing of what it does)" if provided else "."
    return f"Move the call out of the initializer{given}"


def title(entry: Import) -> str:
    """An import's name in messages and reports."""
    return f"{entry.module}.{entry.name}"


class Linked(NamedTuple):
    """The externs for a module's imports, in order.

    `counted`: position of functions that are counted -> the ones that these call. `late`: the positions of those which
    are only there when there is a guest.
    """

    externs: list[Extern]
    counted: dict[int, Extern]
    late: tuple[int, ...]


def link(
    module: Module, linkage: Linkage, preloads: Preloads, python: Provider | None, wasi: Wasi, generated: Generated
) -> Linked:
    """Has each import provided."""
    own = () if python is None else (python,)
    (_, preloaded), *provided, (_, rest) = resolve(module.imports, (preloads, *own, wasi, generated))
    externs = dict(preloads.provide(linkage, preloaded))
    for provider, taken in provided:
        externs |= provider.provide(linkage, taken)
    functions = [numbered for numbered in preloaded if numbered[1].kind == ExternKind.FUNC]
    late = tuple(position for position, entry in functions if preloads.is_late(entry))
    counted = {position: externs[position] for position, _ in functions if position not in late}
    rest = sorted([*rest, *functions], key=lambda one: one[0])
    externs |= generated.provide(linkage, rest, counted, late)
    return Linked([externs[position] for position in range(len(module.imports))], counted, late)
