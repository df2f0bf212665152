"""What a program tells `t.tick`, and what it does when it is paused in the middle and goes on."""

from __future__ import annotations

import wasmtime

from preinit import build
from tests.support.modules import wasm

#: Calls after which a program is ended.
MOST = 3_000

#: `t` at build time: the same answers as `answer` gives.
TICKER = """(module (global $n (mut i32) (i32.const 0))
  (func (export "tick") (param i32) (result i32)
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.sub (i32.rem_u (i32.shr_u (i32.mul (global.get $n) (i32.const 0x9e3779b1)) (i32.const 7)) (i32.const 97))
      (i32.const 20))))"""


def answer(number: int) -> int:
    """What call `number` of `t.tick` gives, from 1 on."""
    return ((number * 0x9E3779B1 & 0xFFFFFFFF) >> 7) % 97 - 20


class _Enough(Exception):
    pass


def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.wasm_function_references = True
    config.wasm_gc = True
    config.cranelift_opt_level = "none"
    return wasmtime.Engine(config)


def trace(engine: wasmtime.Engine, binary: bytes, done: int = 0) -> list[object]:
    """What `_start` tells `t.tick`, and how it ends; `done`: calls that it had made before it was paused."""
    store = wasmtime.Store(engine)
    told: list[object] = []

    def tick(number: int) -> int:
        told.append(number)
        if done + len(told) > MOST:
            raise _Enough
        return answer(done + len(told))

    module = wasmtime.Module(engine, binary)
    kind = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
    instance = wasmtime.Instance(store, module, [wasmtime.Func(store, kind, tick) for _ in module.imports])
    start = instance.exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    try:
        start(store)
        told.append("returned")
    except _Enough:
        told.append("enough")
    except (wasmtime.Trap, wasmtime.WasmtimeError) as problem:
        told.append(f"trapped: {str(problem).splitlines()[-1][:60]}")
    return told


def paused(binary: bytes, number: int, engine: str = "whole") -> bytes:
    """The program, paused before call `number` of `t.tick`."""
    where = f"import:t.tick#{number}"
    result = build(binary, pause_at=where, preloads={"t": wasm(TICKER)}, cache=False, engine=engine, max_memory="64MiB")  # type: ignore[arg-type]
    return result.wasm
