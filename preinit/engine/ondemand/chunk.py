"""Chunks: modules with a few functions of the guest, made when one of them is called for the first time.

A chunk imports the functions that its own call, and all of the guest's tables, memories and tags, so that their indices
stay; globals, too, where there are few. Functions and types get new indices: each type of a module costs compile time,
used or not. So does each import: a dynamic library has hundreds of globals, of which a chunk imports those that it
uses.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from ...binary import encoder as write
from ...binary import externs
from ...binary.growth import GROWTH, guard
from ...binary.module import Module, SectionId
from ...binary.opcodes import (
    CALL,
    IMMEDIATES,
    MEMORY_GROW,
    TABLE_CHANGES,
    TABLE_GROW,
    THROW,
    THROW_REF,
    UNREACHABLE,
    Kind,
)
from ...binary.sections import ExternKind
from ...binary.types import FuncType
from ...tuples import NamedTuple
from ..values import Unsuited
from .bodies import Bodies, Named
from .exceptions import THROWN, without_exceptions

#: A chunk has at most so many bytes of code besides the function that is needed, and no other function of more bytes:
#: four of five functions that are named in one that was called are called, too, but long ones cost most.
CHUNK = 128_000
LONGEST = 4_000
#: A longer one that is named may be compiled ahead, up to so many bytes: most of these are called, too (49 of the 58
#: chunks that are ordered while CPython starts).
LONGEST_AHEAD = 200_000
#: What a chunk calls and has no room for is compiled ahead, too, up to so many bytes: it is called as often as what is
#: in the chunk.
REST = 256_000

#: What is reached through tables only comes one function at a time, and a chunk takes 1 to 2 ms however small: once
#: there are so many, one that stayed small is filled with the neighbours of the function that is needed.
FEW = 64
#: With four times as many chunks, a chunk is filled up to twice this: most of what is put in there is not called.
WINDOW = 400
#: What having one more function in a chunk costs, in bytes of code.
ENTRY = 100

#: The name of a chunk's module starts with this; a number follows, and before that what tells modules apart.
PREFIX = "preinit:chunk:"


def title_prefix(module: Module) -> str:
    """How the names of all chunks of a module begin where one store has those of several modules."""
    return f"{PREFIX}{module.surroundings_fingerprint[:16]}:"


_NOTHING = FuncType((), ())


class Chunk(NamedTuple):
    """Code for `functions`, indices in the guest. `title` is the name of the module, in which frames are found.

    `imports`: the functions that it imports, `guards`: the growth that it leaves to guards, both in the order of its
    imports; then come the guest's tables, memories, globals and tags. Function number i is exported as `str(i)`;
    `named`: other exports, of functions that a reference in it can name -> the function. `changes_tables`: whether an
    instruction in it can. `globals`: those that it imports; None: all.
    """

    wasm: bytes
    title: str
    functions: tuple[int, ...]
    imports: tuple[int, ...]
    guards: tuple[tuple[int, int], ...]
    named: dict[str, int]
    changes_tables: bool
    globals: tuple[int, ...] | None


class SharedImports(NamedTuple):
    """Imports of every chunk, as they stand in its import section. `globals`: of each global; `all`: all of these."""

    before: bytes
    globals: tuple[bytes, ...]
    all: bytes
    after: bytes


class Choice(NamedTuple):
    """The `functions` of a chunk, and what they call: what is too `long` for it, the `rest`, which found no room."""

    functions: list[int]
    long: list[int]
    rest: list[int]


def choose(module: Module, bodies: Bodies, first: Sequence[int], taken: Container[int], made: int = 0) -> Choice:
    """The functions to load when `first[0]` is called: that, and what is likely to be called next, unless `taken`.

    `first`: others that are likely, too; where they find no room, they are the first of the `rest`. `made`: how many
    chunks there are already; the more, the more of its neighbours come with it.

    Raises `Unsuited` if no chunk can hold the first.
    """
    chosen = [first[0]]
    long: list[int] = []
    rest: list[int] = []
    room, room_after = CHUNK, REST
    for function in _named(bodies, first, chosen):
        if function in taken or not module.imported_functions <= function < len(module.function_types):
            continue
        size = bodies.size(function)
        if size > LONGEST:
            if size <= LONGEST_AHEAD:
                long.append(function)
        elif size <= room:
            if bodies.is_known(function):
                room -= size
                chosen.append(function)
        elif size <= room_after:
            room_after -= size
            rest.append(function)
    return Choice(chosen + _neighbours(bodies, chosen, taken, window(made)) if CHUNK else chosen, long, rest)


def _named(bodies: Bodies, first: Sequence[int], chosen: Sequence[int]) -> Iterator[int]:
    """The functions that come with `first[0]`, and those that are called by the `chosen`, which grow meanwhile.

    Each once, the nearest first.
    """
    yield from first[1:]
    seen = set(first)
    for caller in chosen:
        for callee in bodies[caller].callees:
            if callee not in seen:
                seen.add(callee)
                yield callee


def window(made: int) -> int:
    """Up to how many bytes a chunk is filled when there are `made`."""
    result = WINDOW if made >= FEW else 0
    while made >= 4 * FEW and result < CHUNK:
        made //= 4
        result *= 2
    return result


def _neighbours(bodies: Bodies, chosen: Sequence[int], taken: Container[int], limit: int) -> list[int]:
    """The functions around the first one that fit together with `chosen` into `limit` bytes, the nearest first."""
    room = limit - sum(bodies.size(function) + ENTRY for function in chosen) if limit else 0
    inside = set(chosen)
    found: list[int] = []
    steps = limit // ENTRY  # those that are taken are passed over, but not all of a large module's
    for distance in range(1, 2 * steps):
        for neighbour in (chosen[0] + distance, chosen[0] - distance):
            if room <= 0:
                return found
            if neighbour in bodies.functions and neighbour not in inside and neighbour not in taken:
                cost = bodies.size(neighbour) + ENTRY
                if cost <= room and bodies.is_known(neighbour):
                    room -= cost
                    found.append(neighbour)
    return found


def shared_imports(module: Module, erases: bool = False) -> SharedImports:
    """The imports of chunks but for functions: a module's tables, memories, globals and, unless `erases`, tags."""
    tag_types = {} if erases else _tag_types(module)
    before = [externs.table(table) for table in module.tables]
    before += [externs.memory(limits) for limits in module.memories]
    globals_ = _imports([externs.global_(entry) for entry in module.globals])
    after = [externs.tag(tag_types[index]) for index in (() if erases else module.tags)]
    return SharedImports(b"".join(_imports(before)), globals_, b"".join(globals_), b"".join(_imports(after)))


def _imports(types: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(b"\0\0" + described for described in types)


def _tag_types(module: Module) -> dict[int, int]:
    """The types of tags come first in a chunk: type index in the guest -> in every chunk."""
    return {index: position for position, index in enumerate(dict.fromkeys(module.tags))}


def assemble(module: Module, bodies: Bodies, functions: Sequence[int], title: str, shared: SharedImports) -> Chunk:
    """The chunk with those functions. Raises `Unsuited` where they hold what no chunk can."""
    needs = _Needs(module, bodies, functions)
    kinds = module.function_types
    guard_types = [_NOTHING if growth == THROWN else guard(module, *growth)[0] for growth in needs.guards]
    signatures = [module.types.functions[index] for index in needs.types]
    if bodies.erases:
        signatures = [without_exceptions(signature) if signature else None for signature in signatures]
    signatures += dict.fromkeys(guard_types)
    head = b"\0\0" + bytes((ExternKind.FUNC,))
    imported = [head + needs.type_codes[kinds[function]] for function in needs.imports]
    imported += [head + write.uleb(signatures.index(t, len(needs.types))) for t in guard_types]
    globals_ = tuple(needs.globals) if bodies.picks_globals else None
    chosen = shared.all if globals_ is None else b"".join(map(shared.globals.__getitem__, globals_))
    state = len(module.tables) + len(module.memories) + (0 if bodies.erases else len(module.tags))
    state += len(module.globals) if globals_ is None else len(globals_)
    count = write.uleb(len(imported) + state)
    exports = {str(i): needs.places[function] for i, function in enumerate(functions)}
    named = {f"r{function}": function for function in needs.named}
    exports |= {name: needs.places[function] for name, function in named.items()}
    code = [write.code_entry(_body(module, bodies, needs, function)) for function in functions]
    wasm = write.assemble(
        [
            write.section(SectionId.TYPE, write.vector([write.function_type(s) for s in signatures if s])),
            write.section(SectionId.IMPORT, b"".join([count, *imported, shared.before, chosen, shared.after])),
            write.section(SectionId.FUNCTION, write.vector([needs.type_codes[kinds[f]] for f in functions])),
            write.section(SectionId.EXPORT, write.vector([write.export(n, 0, i) for n, i in exports.items()])),
            write.section(SectionId.CODE, write.vector(code)),
            write.module_name(title),
        ]
    )
    changes = needs.changes_tables or any(opcode == TABLE_GROW for opcode, _ in needs.guards)
    imports, guards = tuple(needs.imports), tuple(needs.guards)
    return Chunk(wasm, title, tuple(functions), imports, guards, named, changes, globals_)


def moved(module: Module, bodies: Bodies, chunk: Chunk, position: int) -> list[tuple[int, int]]:
    """How offsets in the body of a chunk's function differ from the original's: see `guest.original_frame`."""
    function = chunk.functions[position]
    start = bodies.range(function).start
    shift = 0
    result = []
    for begin, end, code in _edits(bodies, _Needs(module, bodies, chunk.functions), function):
        shift += len(code) - (end - begin)
        result.append((end - start + shift, shift))
    return result


class _Needs:
    """What a chunk's functions refer to, and where it stands in the chunk."""

    def __init__(self, module: Module, bodies: Bodies, functions: Sequence[int]) -> None:
        self._module = module
        inside = frozenset(functions)
        self.imports: dict[int, None] = {}
        self.guards: dict[tuple[int, int], None] = {}
        self.named: dict[int, None] = {}
        self.globals: dict[int, bytes] = {}  # and how the index in the chunk is written
        self.changes_tables = False
        self.types = {} if bodies.erases else _tag_types(module)
        for function in functions:
            self._type(module.function_types[function])
            names = bodies[function]
            for reference in names.types:
                self._type(reference.target)
            self._functions(names.callees, inside)
            self._functions(names.references, inside)
            self.named.update(dict.fromkeys(names.references))
            for each in names.indices:
                if IMMEDIATES[each.opcode] == Kind.GLOBAL:
                    self._global(each.target)
                else:
                    self._type(each.target)
            for instruction in names.others:
                if instruction.opcode in GROWTH:
                    self._growth(instruction.opcode, instruction.references[0].target)
                    continue
                if instruction.opcode in TABLE_CHANGES:
                    self.changes_tables = True
                    continue
                if instruction.opcode in (THROW, THROW_REF):  # found where chunks have no exceptions
                    self.guards[THROWN] = None
                    continue
                for reference in instruction.references:
                    if reference.kind == Kind.GLOBAL:
                        self._global(reference.target)
                    elif reference.kind == Kind.TYPE:
                        self._type(reference.target)
        for function in self.imports:
            self._type(module.function_types[function])
        order: list[int | tuple[int, int]] = [*self.imports, *self.guards, *functions]
        self.places = {what: place for place, what in enumerate(order)}
        self.function_codes = {what: write.uleb(place) for what, place in self.places.items()}
        # In this form an index is right for block types, which are signed, and for all others.
        self.type_codes = {index: write.sleb(place) for index, place in self.types.items()}

    def code(self, kind: str, target: int) -> bytes:
        """How the index of a type or global in the guest is written in the chunk."""
        return self.globals[target] if kind == Kind.GLOBAL else self.type_codes[target]

    def _type(self, index: int) -> None:
        if index not in self.types:
            if index >= len(self._module.types.functions):
                raise Unsuited("invalid", "code names a type that does not exist")
            self.types[index] = len(self.types)

    def _functions(self, indices: Sequence[int], inside: frozenset[int]) -> None:
        if max(indices, default=0) >= len(self._module.function_types):
            raise Unsuited("invalid", "code names a function that does not exist")
        self.imports.update(dict.fromkeys(index for index in indices if index not in inside))

    def _global(self, index: int) -> None:
        if index not in self.globals:
            if index >= len(self._module.globals):
                raise Unsuited("invalid", "code names a global that does not exist")
            self.globals[index] = write.uleb(len(self.globals))

    def _growth(self, opcode: int, target: int) -> None:
        if target >= len(self._module.memories if opcode == MEMORY_GROW else self._module.tables):
            raise Unsuited("invalid", "code grows a memory or table that does not exist")
        self.guards[opcode, target] = None


def _edits(bodies: Bodies, needs: _Needs, function: int) -> Sequence[tuple[int, int, bytes]]:
    """What replaces which bytes of the file, in order."""
    names = bodies[function]
    codes = needs.function_codes
    _, starts, ends, targets = names.functions
    calls = list(zip(starts, ends, map(codes.__getitem__, targets), strict=True))
    others = list(_other_edits(names, needs))
    erased = bodies.erased.get(function)
    if erased is not None:
        throws = bytes((CALL,)) + codes.get(THROWN, b"") + bytes((UNREACHABLE,))
        others += ((start, end, throws if code is None else code) for start, end, code in erased)
    return sorted(calls + others) if others else calls


def _other_edits(names: Named, needs: _Needs) -> Iterator[tuple[int, int, bytes]]:
    """Those of indices, but for functions', and of growth."""
    for reference in names.types:
        yield reference.start, reference.end, needs.type_codes[reference.target]
    for opcode, start, end, target in names.indices:
        yield start, end, needs.code(IMMEDIATES[opcode], target)
    for instruction in names.others:
        if instruction.opcode in GROWTH:
            number = needs.function_codes[instruction.opcode, instruction.references[0].target]
            yield instruction.start, instruction.end, bytes((CALL,)) + number
        elif instruction.opcode not in TABLE_CHANGES:
            for kind, start, end, target in instruction.references:
                if kind != Kind.TAG:
                    yield start, end, needs.code(kind, target)


def _body(module: Module, bodies: Bodies, needs: _Needs, function: int) -> bytes:
    """A function's body with the chunk's indices, growth left to guards."""
    data = module.data
    body = bodies.range(function)
    pieces: list[bytes] = []
    at = body.start
    for start, end, code in _edits(bodies, needs, function):
        pieces += (data[at:start], code)
        at = end
    pieces.append(data[at : body.end])
    return b"".join(pieces)
