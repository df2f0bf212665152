"""Core instances of a component: what they export, and whose that is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from ...binary.module import Module
from ...binary.sections import ExternKind, Import
from ...binary.types import FuncType
from ...errors import InvalidModule, quoted

#: What core instances export, by the names that components have for it.
KINDS = {
    "core func": ExternKind.FUNC,
    "core table": ExternKind.TABLE,
    "core memory": ExternKind.MEMORY,
    "core global": ExternKind.GLOBAL,
    "core tag": ExternKind.TAG,
}

#: By their numbers: asking the enumeration takes longer.
_KINDS = tuple(ExternKind)


class Extern:
    """Something that a core instance defines, or a canonical function: `owner` is then None, `index` its number.

    One object for each, whatever it is exported as, and by whom. `signature` of a canonical function; that of another
    one is asked of its module by who needs it. `raw`: the engine's, None where nothing runs.
    """

    __slots__ = ("_raw", "_signature", "index", "kind", "owner")

    def __init__(
        self,
        kind: ExternKind,
        owner: CoreInstance | None,
        index: int,
        signature: FuncType | None = None,
        raw: Any = None,
    ) -> None:
        self.kind, self.owner, self.index = kind, owner, index
        self._signature, self._raw = signature, raw

    @property
    def signature(self) -> FuncType | None:
        """Of a function."""
        if self._signature is None and self.owner is not None and self.kind == ExternKind.FUNC:
            self._signature = self.owner.module.function_type(self.index)
        return self._signature

    @property
    def is_made(self) -> bool:
        """Whether the engine's extern is there."""
        return self._raw is not None

    def raw(self, _wanted: FuncType | None = None) -> Any:
        """The engine's extern."""
        if self._raw is None and self.owner is not None:
            self._raw = self.owner.raw(self.kind, self.index)
        return self._raw


class Placeholder(Extern):
    """A canonical function that fails when it is called. Its type is the one that its importer gives it."""

    def __init__(self, name: str, define: Callable[[FuncType, str], Any]) -> None:
        super().__init__(ExternKind.FUNC, None, -1)
        self.name = name
        self._define = define

    def raw(self, wanted: FuncType | None = None) -> Any:
        if wanted is None:
            return None
        if self._signature is None:
            self._signature = wanted
            self._raw = self._define(wanted, self.name)
        return self._raw if wanted == self._signature else self._define(wanted, self.name)


class CoreInstance(ABC):
    """An instance of a core module. `number`: in the order in which they were made; `given`: its imports."""

    def __init__(self, number: int, module: Module, given: Sequence[Extern]) -> None:
        self.number = number
        self.module = module
        self.given = given
        self._own: dict[tuple[int, int], Extern] = {}
        self._imported: dict[int, list[Extern]] = {kind: [] for kind in ExternKind}
        for extern in given:
            self._imported[extern.kind].append(extern)
        self._exports = module.exports_by_name

    @abstractmethod
    def raw(self, kind: ExternKind, index: int) -> Any:
        """The engine's extern of something that this instance defines and exports."""

    def export(self, sort: str, name: str) -> Extern:
        """Raises `InvalidModule` where there is no such export."""
        found = self._exports.get(name)
        if found is None or found.kind != KINDS.get(sort):
            raise InvalidModule(f"the component is not valid: a core module exports no {sort[5:]} {quoted(name)}")
        return self.extern(found.kind, found.target)

    def extern(self, kind: int, index: int) -> Extern:
        """What has that index in this instance."""
        imported = self._imported[kind]
        if index < len(imported):
            return imported[index]
        key = (kind, index)
        found = self._own.get(key)
        if found is None:
            found = self._own[key] = Extern(_KINDS[kind], self, index)
        return found


class Cores(ABC):
    """Makes core instances, all in one store."""

    @abstractmethod
    def instantiate(self, start: int, lookup: Callable[[Import], Extern]) -> CoreInstance:
        """An instance of the core module at that offset of the file, up to the end of its start function."""

    @abstractmethod
    def define(self, signature: FuncType, function: Callable[..., int | None]) -> Any:
        """The engine's extern of a function of the host."""

    @abstractmethod
    def memory(self, extern: Extern) -> Callable[[], memoryview]:
        """What gives the bytes of a memory as it is now."""

    @abstractmethod
    def call(self, extern: Extern, arguments: Sequence[int], results: int) -> list[int]:
        """Calls a core function with raw bits."""

    @abstractmethod
    def where(self) -> object:
        """Where the guest is, in a function of the host that it called."""


class DryInstance(CoreInstance):
    def raw(self, kind: ExternKind, index: int) -> Any:
        return None


class Dry(Cores):
    """Makes core instances of which nothing runs: for who asks what a component would do.

    `modules`: parsed, by their offset. `made`: the offset of the module of each instance, in order.
    """

    def __init__(self, modules: dict[int, Module]) -> None:
        self._modules = modules
        self.instances: list[DryInstance] = []
        self.made: list[int] = []

    def instantiate(self, start: int, lookup: Callable[[Import], Extern]) -> CoreInstance:
        module = self._modules[start]
        made = DryInstance(len(self.instances), module, [lookup(entry) for entry in module.imports])
        self.instances.append(made)
        self.made.append(start)
        return made

    def define(self, signature: FuncType, function: Callable[..., int | None]) -> Any:
        return None

    def memory(self, extern: Extern) -> Callable[[], memoryview]:
        return lambda: memoryview(b"")

    def call(self, extern: Extern, arguments: Sequence[int], results: int) -> list[int]:
        raise AssertionError("nothing runs")

    def where(self) -> object:
        return None
