"""What the tests share: modules from text, the state of an instance, running an output with the public engine."""

from __future__ import annotations

from dataclasses import dataclass

import wasmtime

from preinit import Options, Result, build
from preinit.binary.module import Module, parse
from preinit.binary.sections import Mode
from preinit.binary.types import NUMERIC_SIZES, is_numeric
from preinit.engine.runtime import Deadline, EngineSettings
from preinit.engine.values import RawValue
from preinit.engine.whole import WholeInstance, compile_guest
from preinit.host.world import World
from preinit.options import Host
from preinit.passes.instrument import instrument
from preinit.passes.plan.initializers import choose


@dataclass(frozen=True)
class State:
    """All that can be seen of an instance: bytes, bits, what references refer to, which segments are dropped."""

    memories: tuple[bytes, ...]
    globals: dict[int, bytes]
    references: dict[int, str]
    tables: tuple[tuple[str, ...], ...]
    dropped_data: frozenset[int]
    dropped_elements: frozenset[int]


class Running:
    """An instance of a module (a build's input or its output) in which everything can be read."""

    def __init__(
        self,
        binary: bytes,
        host: Host | None = None,
        values: dict[str, str] | None = None,
        preloads: dict[str, bytes] | None = None,
    ) -> None:
        self.module: Module = parse(binary)
        code, self._instrumented = instrument(self.module)
        deadline = Deadline(None)
        preload_code = preloads or {}
        self._world = World(
            self.module, host or Host(), deadline, values, {n: parse(wasm) for n, wasm in preload_code.items()}
        )
        settings = EngineSettings("cranelift")
        self.instance: WholeInstance = deadline.start(
            lambda: compile_guest(code, settings, preload_code).instantiate(4 << 30, self._world.link, deadline)
        ).result()
        self._deadline = deadline
        if self.module.exported("memory"):
            self._world.bind(lambda: self.instance.memory("memory"))

    def call(self, name: str, *arguments: bytes, results: int = 0) -> list[bytes]:
        raw = [bits.ljust(16, b"\0") for bits in arguments]
        return self._deadline.start(lambda: self.instance.call(name, raw, results)).result()

    def initialize(self, options: Options) -> None:
        """Does what a build does: start function, `_initialize`, initializers."""
        if self._instrumented.start:
            self.call(self._instrumented.start)
        for call in choose(self.module, options):
            raw = [value for value in call.values if isinstance(value, bytes)]
            self._deadline.start(
                lambda call=call, raw=raw: self.instance.call(call.name, raw, len(call.type.results))
            ).result()

    def start(self) -> None:
        """Runs the start function, as instantiating the module would."""
        if self._instrumented.start:
            self.call(self._instrumented.start)

    def _reference(self, value: RawValue) -> str:
        """What a reference is, in words that are the same for another instance: the index of a function, say."""
        if value.kind == "func":
            return f"function {self.instance.resolve_function(value.bits)}"
        return f"{value.kind} {value.bits.hex()}"

    def state(self) -> State:
        names = self._instrumented
        return State(
            memories=tuple(bytes(self.instance.memory(names.memories[i])) for i in range(len(self.module.memories))),
            globals={
                i: self.instance.global_value(names.globals[i], NUMERIC_SIZES[entry.type]).bits
                for i, entry in enumerate(self.module.globals)
                if i in names.globals and is_numeric(entry.type) and entry.mutable
            },
            references={
                i: self._reference(self.instance.global_value(names.globals[i], 0))
                for i, entry in enumerate(self.module.globals)
                if i in names.globals and not is_numeric(entry.type)
            },
            tables=tuple(
                tuple(map(self._reference, self.instance.table_values(names.tables[i])))
                for i in range(len(self.module.tables))
            ),
            dropped_data=frozenset(i for i, probe in names.segments.data.items() if self.instance.traps(probe)),
            dropped_elements=frozenset(i for i, probe in names.segments.elements.items() if self.instance.traps(probe)),
        )


def assert_same_state(binary: bytes, options: Options) -> Result:
    """The property of every build: an instance of the output is where the input's initializer ended."""
    original = Running(binary, options.host)
    original.initialize(options)
    result = build(binary, options)
    resumed = Running(result.wasm, options.host)
    resumed.start()
    expected, found = original.state(), resumed.state()
    assert found.memories == expected.memories
    assert found.globals == expected.globals
    assert found.references == expected.references
    assert found.tables == expected.tables
    output = resumed.module.data_segments
    kept = [segment.mode for segment in output[: len(original.module.data_segments)]]
    for index, segment in enumerate(original.module.data_segments):
        # Where code names segments, they keep their index; where it doesn't, no probe could tell.
        if segment.mode.value == "passive" and Mode.PASSIVE in kept:
            emptied = output[index].start == output[index].end
            assert emptied == (index in expected.dropped_data or segment.start == segment.end), f"data segment {index}"
    for index in original._instrumented.segments.elements:
        emptied = not resumed.module.elements[index].length
        assert emptied == (index in expected.dropped_elements), f"element segment {index}"
    return result


def instantiate(binary: bytes, **imports: object) -> tuple[wasmtime.Store, dict[str, object]]:
    """The exports of a module in the engine's public API, as a user of the output would run it."""
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.wasm_gc = True
    config.wasm_function_references = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store.set_wasi(wasmtime.WasiConfig())
    module = wasmtime.Module(engine, binary)
    linker.define_unknown_imports_as_traps(module)
    instance = linker.instantiate(store, module)
    exports = instance.exports(store)
    return store, {name: exports[name] for name in exports}
