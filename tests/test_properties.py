"""For any module: an instance of the output has the state of the original after its initializer."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Running, assert_same_state, wasm

from preinit import Options, build, errors
from preinit.binary.module import parse
from preinit.binary.sections import ExternKind
from preinit.binary.types import F32, F64, I32, I64
from preinit.passes.parse.text import wasm_tools

# -- modules by hypothesis ---------------------------------------------------------------------------------------------

BITS = {"i32": 32, "i64": 64, "f32": 32, "f64": 64}
VALUES = {"i32": "i32.const", "i64": "i64.const", "f32": "f32.reinterpret_i32", "f64": "f64.reinterpret_i64"}


def _table(draw: st.DrawFn, number: int, fields: list[str], steps: list[str]) -> None:
    """A table with segments, and steps that set, fill, copy, grow, initialize and drop; a global that holds an entry."""
    size = draw(st.integers(0, 5))
    fields.append(f"(table $t{number} {size} {size + 4} funcref)")
    fields.append(f"(func $f{number}a) (func $f{number}b) (elem declare func $f{number}a $f{number}b)")
    fields.append(f"(global $r{number} (mut funcref) (ref.null func))")
    functions = st.sampled_from([f"(ref.func $f{number}a)", f"(ref.func $f{number}b)", "(ref.null func)"])
    slot = st.integers(0, max(0, size - 1))
    if size:
        if draw(st.booleans()):
            fields.append(f"(elem (table $t{number}) (i32.const {draw(slot)}) func $f{number}a)")
        for _ in range(draw(st.integers(0, 3))):
            steps.append(f"(table.set $t{number} (i32.const {draw(slot)}) {draw(functions)})")
        if draw(st.booleans()):
            steps.append(f"(global.set $r{number} (table.get $t{number} (i32.const {draw(slot)})))")
        if draw(st.booleans()):
            places = f"(i32.const {draw(slot)}) (i32.const {draw(slot)})"
            steps.append(f"(table.copy $t{number} $t{number} {places} (i32.const 1))")
        fields.append(f"(elem $e{number} func $f{number}b $f{number}a)")
        if draw(st.booleans()):
            steps.append(f"(table.init $t{number} $e{number} (i32.const {draw(slot)}) (i32.const 1) (i32.const 1))")
        if draw(st.booleans()):
            steps.append(f"(elem.drop $e{number})")
    if draw(st.booleans()):
        steps.append(f"(drop (table.grow $t{number} {draw(functions)} (i32.const {draw(st.integers(0, 5))})))")


@st.composite
def modules(draw: st.DrawFn) -> str:
    """A module whose initializer writes memories, globals and tables, grows them, uses and drops passive segments."""
    memories = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=3))
    fields, steps = [], []
    for number, (is_64, minimum, more) in enumerate(memories):
        kind = "i64 " if is_64 else ""
        fields.append(f"(memory $m{number} {kind}{minimum} {minimum + more})")
        address = "i64" if is_64 else "i32"
        for _ in range(draw(st.integers(0, 2))):
            delta = draw(st.integers(0, 3))
            steps.append(f"(drop (memory.grow $m{number} ({address}.const {delta})))")
        if minimum:
            last = minimum * 65536 - 8
            places = st.one_of(st.integers(0, 64), st.integers(0, last), st.just(last))
            for _ in range(draw(st.integers(0, 6))):
                value = draw(st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([0, 1, 255]))
                place = draw(places)
                steps.append(f"(i64.store $m{number} ({address}.const {place}) (i64.const {value}))")
            for _ in range(draw(st.integers(0, 2))):
                text = "".join(f"\\{byte:02x}" for byte in draw(st.binary(max_size=8)))
                fields.append(f'(data (memory $m{number}) ({address}.const {draw(places)}) "{text}")')
    for number in range(draw(st.integers(0, 3))):
        content = draw(st.binary(max_size=6))
        text = "".join(f"\\{byte:02x}" for byte in content)
        fields.append(f'(data $p{number} "{text}")')
        is_64, minimum, _ = memories[0]
        if minimum and draw(st.booleans()):
            at = f"({'i64' if is_64 else 'i32'}.const {draw(st.integers(0, 1000))})"
            steps.append(f"(memory.init $m0 $p{number} {at} (i32.const 0) (i32.const {len(content)}))")
        if draw(st.booleans()):
            steps.append(f"(data.drop $p{number})")
    for number in range(draw(st.integers(0, 2))):
        _table(draw, number, fields, steps)
    for number in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(["i32", "i64", "f32", "f64", "v128"]))
        if name == "v128":
            fields.append(f"(global $g{number} (mut v128) (v128.const i64x2 0 0))")
            low, high = (draw(st.integers(-(1 << 63), (1 << 63) - 1)) for _ in range(2))
            steps.append(f"(global.set $g{number} (v128.const i64x2 {low} {high}))")
            continue
        bits = BITS[name]
        value = draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
        constant = f"(i{bits}.const {value})"
        fields.append(f"(global $g{number} (mut {name}) ({name}.const 0))")
        steps.append(f"(global.set $g{number} {constant if name[0] == 'i' else f'({VALUES[name]} {constant})'})")
    order = draw(st.permutations(steps))
    cut = draw(st.integers(0, len(order)))
    start = f"(start $start) (func $start {' '.join(order[:cut])})" if draw(st.booleans()) and cut else ""
    rest = order[cut:] if start else order
    return f'(module {" ".join(fields)} {start} (func (export "preinit_initialize") {" ".join(rest)}))'


@settings(max_examples=60)
@given(modules(), st.sampled_from(["balanced", "size", "gzip", "few"]), st.sampled_from(["winch", "cranelift"]))
def test_the_output_of_any_module_has_the_state_of_the_original(text: str, layout: str, compiler: str) -> None:
    try:
        assert_same_state(wasm(text), Options(cache=False, layout=layout, compiler=compiler))  # type: ignore[arg-type]
    except errors.GuestTrap as trap:
        # A segment that was dropped before it was used: the original traps in the same way.
        assert "out of bounds" in str(trap)


# -- modules by wasm-tools smith ---------------------------------------------------------------------------------------

SMITH = {
    "plain": {"gc-enabled": False, "max-imports": 0, "max-memories": 2, "min-memories": 1, "min-data-segments": 1},
    "many proposals": {
        "max-imports": 0,
        "min-memories": 1,
        "max-memories": 3,
        "min-uleb-size": 3,
        "gc-enabled": False,
        "memory64-enabled": True,
        "simd-enabled": True,
        "relaxed-simd-enabled": True,
        "tail-call-enabled": True,
        "exceptions-enabled": True,
        "reference-types-enabled": True,
        "bulk-memory-enabled": True,
        "multi-value-enabled": True,
        "extended-const-enabled": True,
        "threads-enabled": True,
        "custom-page-sizes-enabled": True,
        "wide-arithmetic-enabled": True,
    },
    "collected types": {"max-imports": 0, "gc-enabled": True, "reference-types-enabled": True, "max-types": 12},
}


def smith(seed: int, config: dict[str, object]) -> bytes | None:
    """A valid module made from a seed; None where the seed gives none."""
    source = random.Random(seed).randbytes(6000)
    options = {
        "export-everything": True,
        "disallow-traps": True,
        "min-funcs": 4,
        "min-globals": 2,
        "max-memory32-bytes": 1 << 20,
        **config,
    }
    options |= {
        "max-memory64-bytes": 1 << 20,
        "max-table-elements": 100,
        "allow-start-export": True,
    }
    arguments = [f"--{name}={str(value).lower()}" for name, value in options.items()]
    command = [wasm_tools(), "smith", "--ensure-termination", "--fuel", "1000", *arguments]
    done = subprocess.run(command, input=source, capture_output=True, check=False)
    if done.returncode not in (0, 2):
        raise AssertionError(done.stderr.decode())
    return done.stdout if done.returncode == 0 else None


def callable_exports(binary: bytes) -> list[str]:
    """Exported functions with number parameters, with zeros as arguments."""
    module = parse(binary)
    result = []
    for export in module.exports:
        if export.kind == ExternKind.FUNC:
            function_type = module.function_type(export.target)
            if function_type and all(t in (I32, I64, F32, F64) for t in function_type.params):
                arguments = ",".join("0" for _ in function_type.params)
                result.append(f"{export.name}({arguments})" if arguments else export.name)
    return result


#: What a random module may rightly be refused for.
FAIR = (
    errors.InitializerFailed,
    errors.ImportedState,
    errors.UnsupportedState,
    errors.NoInitializer,
    errors.InitializerType,
    errors.UnknownExport,
)


@pytest.mark.parametrize("config", SMITH)
def test_modules_by_smith_have_the_state_of_the_original(config: str) -> None:
    built = 0
    for seed in range(50):
        binary = smith(seed, SMITH[config])
        if binary is None:
            continue
        names = callable_exports(binary)
        for name in names[:3] or [""]:
            options = Options(cache=False, init_funcs=(name,) if name else (), start_only=not name)
            try:
                build(binary, options)
            except FAIR:
                continue
            result = assert_same_state(binary, options)
            other = "cranelift" if result.report.engine.compiler == "winch" else "auto"
            assert build(binary, replace(options, compiler=other)).wasm == result.wasm
            built += 1
    assert built >= 8, "most seeds should give a module that can be built"


def test_an_output_runs_on_like_the_original_would() -> None:
    text = """(module (memory (export "memory") 1) (global $seed (mut i64) (i64.const 0x9E3779B97F4A7C15))
        (func $next (result i64)
            (global.set $seed (i64.add (i64.mul (global.get $seed) (i64.const 6364136223846793005)) (i64.const 1)))
            (global.get $seed))
        (func (export "preinit_initialize") (local i32)
            (loop (i64.store (local.get 0) (call $next))
                (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 8))) (i32.const 65536)))))
        (func (export "more") (result i64) (i64.xor (call $next) (i64.load (i32.const 4096)))))"""
    original, resumed = Running(wasm(text)), Running(build(wasm(text), Options(cache=False)).wasm)
    original.call("preinit_initialize")
    for _ in range(5):
        assert original.call("more", results=1) == resumed.call("more", results=1)
    assert original.state() == resumed.state()


def test_reports_are_json() -> None:
    from preinit.report.json import dumps

    report = build(
        wasm('(module (func (export "f") (result f64) (f64.const nan)))'), init_funcs=["f"], cache=False
    ).report
    assert json.loads(dumps(report))["runs"][0]["results"] == ["nan"]
