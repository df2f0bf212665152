"""Frames: the copy of a module that is run up to a pause, and gives away what its active functions hold.

The module gets one more memory, one more table and some globals, behind its own. In functions that are known to be on
the stack, every call is followed by: if the guest is being unwound, store which call it was, the locals and the
operands, and return. A function at whose entry the guest is paused counts how often it is entered.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.extend import extended_section
from ...binary.module import Module, SectionId, parse
from ...binary.typed import IF, Call, Scope, TypedBody
from ...binary.types import FUNCREF, I32, NUMERIC_SIZES, FuncType, Limits, ValType, is_numeric
from ...binary.walk import read_typed
from ...errors import PauseRefused
from ...tuples import NamedTuple
from .instrumented import FrameProbes, Instrumented

#: Active functions at a pause: each gets a function of its own in the output.
MOST_FRAMES = 10_000

#: Globals, in their order behind the module's own: whether the guest is unwound, bytes used of the memory, entries used
#: of the table, how often a function will be entered before the pause, and how often when the innermost call began.
_UNWINDING, _USED, _STORED, _LEFT, _BEGUN = _GLOBALS = range(5)
#: Entry 0 of the table is a function of the host, which is told that the function was entered.
HOOK = 0
_PAGE = 65536


class Site(NamedTuple):
    """A call after which a frame may be stored: its function, where in `body.calls`, and what is stored.

    `locals` by index; `operands`: those below the call, then, in a function that may be the innermost one, what the
    call takes.
    """

    body: TypedBody
    call: Call
    locals: tuple[int, ...]
    operands: tuple[ValType, ...]

    @property
    def types(self) -> list[ValType]:
        return [self.body.locals[index] for index in self.locals] + list(self.operands)

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return 4 + sum(_size(value_type) for value_type in self.types)


class _Saved(NamedTuple):
    """Code that stores values of a frame, and how many bytes, and functions, the frame has then."""

    code: bytes
    offset: int
    functions: int


class Watched(NamedTuple):
    """The copy that is run. `hooked`: the function at whose entry it is paused."""

    module: Module
    original: Module
    sites: tuple[Site, ...]
    hooked: int | None

    def trim(self, full: Instrumented) -> Instrumented:
        """Where things are in the copy: those of the original, and of what was added."""
        memories, tables, globals_ = (
            len(kind) for kind in (self.original.memories, self.original.tables, self.original.globals)
        )
        probes = FrameProbes(
            full.memories[memories],
            full.tables[tables],
            full.globals[globals_ + _UNWINDING],
            full.globals[globals_ + _USED],
            full.globals[globals_ + _LEFT],
            full.globals[globals_ + _BEGUN],
        )
        return full._replace(
            memories={i: name for i, name in full.memories.items() if i < memories},
            tables={i: name for i, name in full.tables.items() if i < tables},
            globals={i: name for i, name in full.globals.items() if i < globals_},
            frames=probes,
        )


def is_function_reference(module: Module, value_type: ValType) -> bool:
    """Whether a reference of that type is null or names a function."""
    heap = code.heap_type(value_type)
    if len(heap) == 1 and heap[0] & 0x40:
        return heap in (FUNCREF, b"\x73")
    index = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(heap))
    return index < len(module.types.functions) and module.types.functions[index] is not None


def _size(value_type: ValType) -> int:
    return NUMERIC_SIZES.get(value_type, 4)


def watch(module: Module, stack: Sequence[int], hooked: int | None, number: int) -> Watched:
    """The copy to run. `stack`: the functions that are known to be active, innermost first; none if it is not known.

    `hooked` is entered `number` times before the pause. Raises `PauseRefused`, and what reading bodies raises.
    """
    return _Watch(module, stack, hooked, number).watched()


class _Watch:
    def __init__(self, module: Module, stack: Sequence[int], hooked: int | None, number: int) -> None:
        self._module = module
        self._stack = stack
        self._hooked = hooked
        self._number = number
        self._types: dict[FuncType, int] = {}
        self._new_types: list[bytes] = []
        self._sites: list[Site] = []
        self._first_global = len(module.globals)

    def watched(self) -> Watched:
        module = self._module
        chosen = dict.fromkeys(self._stack)
        bodies = {function: read_typed(module, function) for function in chosen}
        replaced: dict[int, bytes] = {}
        for function, body in bodies.items():
            innermost = bool(self._stack) and function == self._stack[0]
            replaced[function] = _Spilling(self, body, innermost, function == self._hooked).code()
        if self._hooked is not None and self._hooked not in replaced:
            replaced[self._hooked] = self._counting(self._hooked)
        room = self._room()
        is_funcref = FUNCREF + write.limits(Limits(1 + room[1], None))
        added = {
            SectionId.TYPE: self._new_types,
            SectionId.TABLE: [is_funcref],
            SectionId.MEMORY: [write.limits(Limits(room[0], None))],
            SectionId.GLOBAL: [self._global(self._number if place == _LEFT else 0) for place in _GLOBALS],
        }
        sections = [
            self._code(replaced) if number == SectionId.CODE else
            extended_section(module, number, added.get(SectionId(number), []))
            for number in write.SECTION_ORDER
        ]  # fmt: skip
        names = module.custom("name")
        if names:
            sections.append([memoryview(module.data)[names.header : names.end]])
        return Watched(parse(write.assemble(sections), module), module, tuple(self._sites), self._hooked)

    def _room(self) -> tuple[int, int]:
        """Pages and entries of the table that all frames take."""
        largest: dict[int, tuple[int, int]] = {}
        for site in self._sites:
            functions = sum(not is_numeric(t) and is_function_reference(self._module, t) for t in site.types)
            size, entries = largest.get(site.body.function, (0, 0))
            largest[site.body.function] = max(size, site.size), max(entries, functions)
        frames = [largest.get(function, (0, 0)) for function in self._stack]
        return 1 + sum(size for size, _ in frames) // _PAGE, sum(entries for _, entries in frames)

    @staticmethod
    def _global(value: int) -> bytes:
        return I32 + b"\x01" + code.i32_const(value) + code.END

    def _code(self, replaced: dict[int, bytes]) -> write.Pieces:
        module = self._module
        section = module.section(SectionId.CODE)
        assert section is not None  # something was active in it, or is entered
        count, entries = module.code_entries()
        position = section.end - len(entries)
        view = memoryview(module.data)
        pieces: write.Pieces = [write.uleb(count)]
        for function in sorted(replaced):
            body = module.bodies[function - module.imported_functions]
            pieces += [view[position : body.entry], write.uleb(len(replaced[function])), replaced[function]]
            position = body.end
        pieces.append(view[position : section.end])
        return [bytes((SectionId.CODE,)) + write.uleb(sum(map(len, pieces))), *pieces]

    # -- what instrumented code is made of -----------------------------------------------------------------------------

    def type(self, signature: FuncType) -> int:
        """The index of a function type."""
        if signature not in self._types:
            known = self._module.types
            if signature in known.functions and not known.has_gc:
                self._types[signature] = known.functions.index(signature)
            else:
                self._types[signature] = len(known.functions) + len(self._new_types)
                self._new_types.append(write.function_type(signature))
        return self._types[signature]

    def get(self, which: int) -> bytes:
        return code.global_get(self._first_global + which)

    def add(self, which: int, number: int) -> bytes:
        place = self._first_global + which
        return code.global_get(place) + code.i32_const(number) + code.I32_OPS.add + code.global_set(place)

    def entry(self, results: Sequence[ValType]) -> bytes:
        """What stands at the entry of the function where the guest is paused."""
        table = len(self._module.tables)
        call = code.i32_const(HOOK) + code.call_indirect(self.type(FuncType((), ())), table)
        paused = self.get(_UNWINDING) + code.if_(self.zeros(results) + code.RETURN)
        return self.add(_LEFT, -1) + self.get(_LEFT) + code.I32_OPS.eqz + code.if_(call + paused)

    def begins(self, begun: int) -> bytes:
        """What stands before a call that may be the innermost: the local `begun` gets how many entries are left."""
        return self.get(_LEFT) + code.local_set(begun)

    def began(self, begun: int) -> bytes:
        """What stands where that function is unwound: if nothing else was before, this is the innermost call."""
        told = code.local_get(begun) + code.global_set(self._first_global + _BEGUN)
        return self.get(_USED) + code.I32_OPS.eqz + code.if_(told)

    def zeros(self, types: Sequence[ValType]) -> bytes:
        """What a function returns that is unwound: nobody looks at it. Raises `PauseRefused`."""
        for value_type in types:
            if value_type[0] == 0x64:
                raise PauseRefused("an active function returns a reference without null, which can't be made up")
        return b"".join(code.value(t, bytes(NUMERIC_SIZES.get(t, 0))) for t in types)

    def _counting(self, function: int) -> bytes:
        """The body of the function where the guest is paused, which is not on the stack itself."""
        body = self._module.bodies[function - self._module.imported_functions]
        typed = read_typed(self._module, function)
        data = self._module.data
        return data[body.start : typed.start] + self.entry(typed.type.results) + data[typed.start : body.end]

    def store(self, site: Site, places: Sequence[int], saved: _Saved) -> bytes:
        """Stores a frame: after its locals, which `saved` stores, what is in the locals `places`."""
        self._sites.append(site)
        number = self.get(_USED) + code.i32_const(len(self._sites) - 1) + code.store(I32, 0, len(self._module.memories))
        rest = self.save(site.operands, places, saved.offset, saved.functions)
        moved = self.add(_USED, rest.offset) + (self.add(_STORED, rest.functions) if rest.functions else b"")
        return number + saved.code + rest.code + moved

    def save(self, types: Sequence[ValType], places: Sequence[int], offset: int, functions: int) -> _Saved:
        """Stores values that are in the locals `places`, behind `offset` bytes and `functions` of a frame."""
        memory, table = len(self._module.memories), len(self._module.tables)
        used = self.get(_USED)
        pieces = []
        for value_type, place in zip(types, places, strict=True):
            value = code.local_get(place)
            if is_numeric(value_type):
                pieces.append(used + value + code.store(value_type, offset, memory))
            elif is_function_reference(self._module, value_type):
                slot = self.get(_STORED) + code.i32_const(1 + functions) + code.I32_OPS.add
                pieces.append(slot + value + code.table_set(table))
                functions += 1
                continue
            else:
                pieces.append(used + value + code.REF_IS_NULL + code.store(I32, offset, memory))
            offset += _size(value_type)
        return _Saved(b"".join(pieces), offset, functions)


class _Spilling:
    """The body of a function that is on the stack. `innermost`: the call that is paused may be one of its own."""

    def __init__(self, watch: _Watch, body: TypedBody, innermost: bool, hooked: bool) -> None:
        self._watch = watch
        self._body = body
        self._innermost = innermost
        self._hooked = hooked
        self._extra: list[ValType] = []
        #: Entries that were left of the function where the guest is paused, when a call began.
        self._begun = self._local(I32) if innermost and watch._hooked is not None else None
        self._pools: dict[ValType, list[int]] = {}
        #: Operands below an enclosing block can't be reached in it: they are copied into locals where it starts.
        self._kept: dict[int, list[int]] = {}
        #: What is the same for most of a function's calls: by their scope, and by the locals that are not set there.
        self._reached: dict[int, tuple[int, list[int]]] = {}
        self._saved: dict[frozenset[int], tuple[tuple[int, ...], _Saved]] = {}

    def code(self) -> bytes:
        watch, body = self._watch, self._body
        data = watch._module.data
        pieces = []
        try:
            if self._hooked:
                pieces.append(watch.entry(body.type.results))
            position = body.start
            for at, what in self._points():
                if isinstance(what, Scope):
                    pieces.append(data[position:at] + self._keep(what))
                    position = at
                else:
                    before, after = self._around(what)
                    pieces += [data[position:at], before, data[at : what.end], after]
                    position = what.end
        except PauseRefused as problem:
            problem.where = watch._module.function_place(body.function)
            raise
        pieces.append(data[position : body.end])
        locals_ = (*body.locals[len(body.type.params) :], *self._extra)
        return code.locals_(*locals_) + b"".join(pieces)

    def _points(self) -> list[tuple[int, Scope | Call]]:
        around: set[int] = set()  # calls, each once: an interpreter has thousands, hundreds of blocks deep
        for scope_number in {call.scope for call in self._body.calls}:
            at: int | None = scope_number
            while at is not None and at not in around:
                around.add(at)
                at = self._body.scopes[at].parent
        found = (self._body.scopes[number] for number in sorted(around))
        scopes = [scope for scope in found if scope.below and scope.parent is not None]
        for scope in scopes:
            self._kept[scope.number] = [self._local(t) for t in scope.below]
        points: list[tuple[int, Scope | Call]] = [(scope.start, scope) for scope in scopes]
        points += [(call.start, call) for call in self._body.calls]
        return sorted(points, key=lambda point: point[0])

    def _local(self, value_type: ValType) -> int:
        self._extra.append(value_type)
        return len(self._body.locals) + len(self._extra) - 1

    def _temporary(self, types: Sequence[ValType]) -> list[int]:
        """A local for each; the same ones at every place."""
        used: dict[ValType, int] = {}
        found = []
        for value_type in types:
            pool = self._pools.setdefault(value_type, [])
            number = used.get(value_type, 0)
            used[value_type] = number + 1
            if number == len(pool):
                pool.append(self._local(value_type))
            found.append(pool[number])
        return found

    def _keep(self, scope: Scope) -> bytes:
        """Copies what lies below a block that starts here, past what it takes."""
        taken = (*scope.params, *((I32,) if scope.opcode == IF else ()))
        places = self._kept[scope.number] + self._temporary(taken)
        return b"".join(map(code.local_set, reversed(places))) + b"".join(map(code.local_get, places))

    def _around(self, call: Call) -> tuple[bytes, bytes]:
        """What stands before a call, and after it."""
        watch, body = self._watch, self._body
        height, outer = self._scope(call.scope)
        reached = call.operands[height:]
        given = call.takes if self._innermost else ()
        places = self._temporary((*given, *reached))
        arguments, own = places[: len(given)], places[len(given) :]
        before = b"".join(map(code.local_set, reversed(arguments))) + b"".join(map(code.local_get, arguments))
        locals_, saved = self._locals(call.unset)
        site = Site(body, call, locals_, (*call.operands, *given))
        both = (*reached, *call.results)
        spilled = code.DROP * len(call.results) + b"".join(map(code.local_set, reversed(own)))
        if self._begun is not None:
            before += watch.begins(self._begun)
            spilled += watch.began(self._begun)
        spilled += watch.store(site, [*outer, *own, *arguments], saved)
        spilled += watch.zeros(body.type.results) + code.RETURN
        kind = write.sleb(watch.type(FuncType(both, both))) if both else b"\x40"
        return before, watch.get(_UNWINDING) + b"\x04" + kind + spilled + code.END

    def _scope(self, number: int) -> tuple[int, list[int]]:
        """How many operands lie below what a scope can reach, and the locals that hold them."""
        inner: list[Scope] = []
        at: int | None = number
        while at is not None and at not in self._reached:
            inner.append(self._body.scopes[at])
            at = inner[-1].parent
        outer = [] if at is None else self._reached[at][1]
        for scope in reversed(inner):
            outer = [*outer, *self._kept.get(scope.number, ())] if scope.number in self._kept else outer
            self._reached[scope.number] = scope.height, outer
        return self._reached[number]

    def _locals(self, unset: frozenset[int]) -> tuple[tuple[int, ...], _Saved]:
        """The locals that are set, and what stores them."""
        if unset not in self._saved:
            types = self._body.locals
            set_ = tuple(index for index in range(len(types)) if index not in unset)
            self._saved[unset] = set_, self._watch.save([types[index] for index in set_], set_, 4, 0)
        return self._saved[unset]
