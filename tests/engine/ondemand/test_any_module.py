"""Any module is built to the same bytes, or fails in the same way, however its code is compiled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit import errors
from tests.support.amounts import amount
from tests.support.any_module import modules
from tests.support.both_engines import INIT, MOST_FRAMES, SIZES, Outcome, attempt, chunks_of
from tests.support.modules import wasm
from tests.support.smith import callable_exports, smith


def assert_alike(found: Outcome, whole: Outcome) -> None:
    """As `told`, but for how many frames are told of where stubs are among them, and for when the stack is full."""
    if whole.error is None or found.error is None:
        assert found.told == whole.told
        return
    assert type(found.error) is type(whole.error)
    assert (found.error.what, found.error.where, found.error.hint) == (
        whole.error.what, whole.error.where, whole.error.hint,
    )  # fmt: skip
    if not isinstance(whole.error, errors.StackExhausted):
        assert found.frames == whole.frames[: len(found.frames)]
        assert len(found.frames) >= min(len(whole.frames), MOST_FRAMES // 2)


def compared(binary: bytes, **fields: object) -> Outcome:
    """What both engines give, asserted to be alike; the outcome of compiling on demand."""
    whole = attempt(binary, engine="whole", **fields)
    for size in SIZES:
        with chunks_of(size, ahead=True):
            found = attempt(binary, engine="ondemand", **fields)
        assert_alike(found, whole)
    return found


# -- modules by wasm-tools smith ---------------------------------------------------------------------------------------

#: Without bulk memory there are no passive segments, which would leave a module to the other engine.
NO_SEGMENTS = {"bulk-memory-enabled": False, "reference-types-enabled": False, "gc-enabled": False}
SMITH: dict[str, dict[str, object]] = {
    "plain": {**NO_SEGMENTS, "max-imports": 0, "min-memories": 1, "min-data-segments": 1, "min-element-segments": 2},
    "traps": {**NO_SEGMENTS, "max-imports": 0, "min-memories": 1, "disallow-traps": False, "min-element-segments": 2},
    "imports": {**NO_SEGMENTS, "min-imports": 2, "max-imports": 8, "min-tables": 1, "min-element-segments": 1},
    "proposals": {
        **NO_SEGMENTS,
        "max-imports": 0,
        "min-funcs": 12,
        "min-uleb-size": 3,
        "memory64-enabled": True,
        "max-memories": 2,
        "simd-enabled": True,
        "tail-call-enabled": True,
        "exceptions-enabled": True,
        "multi-value-enabled": True,
        "threads-enabled": True,
        "custom-page-sizes-enabled": True,
        "wide-arithmetic-enabled": True,
        "disallow-traps": False,
    },
    "references": {
        "max-imports": 0,
        "max-tables": 4,
        "gc-enabled": False,
        "reference-types-enabled": True,
        "min-tables": 2,
    },
}


@pytest.mark.parametrize("config", SMITH)
def test_modules_by_smith_become_the_same(config: str) -> None:
    outcomes = []
    for seed in range(amount(60, 8)):
        binary = smith(seed, SMITH[config])
        if binary is None:
            continue
        for name in callable_exports(binary)[:3] or [""]:
            compiler = ("auto", "cranelift")[seed % 2]
            options = {"init_funcs": (name,) if name else (), "compiler": compiler}
            outcomes.append(compared(binary, **options))
    done = [found.report.engine.name for found in outcomes if found.report]
    assert len(done) >= 3, "some modules should be built"
    if config != "references":
        assert done.count("ondemand") >= len(done) // 2, "most of them should be compiled on demand"


# -- modules by hypothesis ---------------------------------------------------------------------------------------------

TYPES = {"v": ("", ""), "i": ("(param i32)", "(result i32)"), "l": ("(param i64 i32)", "(result i64 f64)")}
PUSH = {"v": "", "i": "(i32.const 7)", "l": "(i64.const -3) (i32.const 9)"}
DROP = {"v": "", "i": "drop", "l": "drop drop"}
GIVE = {"v": "", "i": "(i32.const 5)", "l": "(i64.const 6) (f64.const 0.5)"}


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A module whose functions call each other, change its state, grow it, and may trap."""
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=2, max_size=9))
    slots = draw(st.integers(1, 8))
    spare = draw(st.sampled_from([0, 130]))  # types and functions in front: indices of other lengths

    def step(own: int) -> str:
        # Functions call those behind them, so that all of it ends; but tables may lead anywhere: fuel ends that.
        later = list(range(own + 1, len(kinds)))
        callee = draw(st.sampled_from(later)) if later else None
        slot = draw(st.integers(0, slots - 1))
        function = draw(st.integers(0, len(kinds) - 1))
        kind = draw(st.sampled_from(list(TYPES)))
        choices = [
            f"(table.set (i32.const {slot}) (ref.func $f{function}))",
            f"(table.set (i32.const {slot}) (ref.null func))",
            f"(global.set $r (ref.func $f{function}))",
            f"(if (ref.is_null (global.get $r)) (then (table.set (i32.const {slot}) (ref.func $f{function}))))",
            f"(table.copy (i32.const {slot}) (i32.const 0) (i32.const 1))",
            f"(drop (table.grow (ref.func $f{function}) (i32.const {slot % 3})))",
            f"(drop (memory.grow (i32.const {slot % 2})))",
            f"(i32.store (i32.const {slot * 8000}) (i32.add (i32.load (i32.const {slot * 8000})) (i32.const {own + 1})))",
            f"(drop (i32.div_u (i32.const 1) (i32.sub (global.get $fuel) (i32.const {slot + 30}))))",
            f"(if (i32.eq (memory.size) (i32.const 3)) (then {'unreachable' if slot else 'nop'}))",
            f"{PUSH[kind]} (call_indirect (type ${kind}) (i32.const {slot})) {DROP[kind]}",
        ]
        if callee is not None:
            signature = kinds[callee]
            choices += [f"{PUSH[signature]} (block (type ${signature}) (call $f{callee})) {DROP[signature]}"] * 3
        return draw(st.sampled_from(choices))

    functions = []
    for own, kind in enumerate(kinds):
        body = " ".join(step(own) for _ in range(draw(st.integers(0, 5))))
        functions.append(f"(func $f{own} (type ${kind}) (call $tick) {body} {GIVE[kind]})")
    elements = draw(st.lists(st.integers(0, len(kinds) - 1), max_size=slots))
    start = draw(st.booleans())
    initializer = " ".join(step(-1) for _ in range(draw(st.integers(1, 6))))
    return f"""(module {"(type (func))" * spare} {"".join(f"(type ${k} (func {p} {r}))" for k, (p, r) in TYPES.items())}
        (memory 1 4) (table {slots} 40 funcref) (global $r (mut funcref) (ref.null func)) (global $fuel (mut i32) (i32.const 60))
        (elem (i32.const 0) {" ".join(f"$f{i}" for i in elements)}) (elem declare func {" ".join(f"$f{i}" for i in range(len(kinds)))})
        {"(func)" * spare} (func $tick (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
            (if (i32.eqz (global.get $fuel)) (then unreachable)))
        {" ".join(functions)} {"(func $s " + step(-1) + ") (start $s)" if start else ""} (func {INIT} {initializer}))"""


@settings(max_examples=amount(60, 20))
@given(programs(), st.sampled_from(["auto", "cranelift"]))
def test_programs_become_the_same(text: str, compiler: str) -> None:
    found = compared(wasm(text), compiler=compiler)
    assert found.report is None or found.report.engine.name == "ondemand"


@settings(max_examples=amount(30, 12))
@given(modules(), st.sampled_from(["keep", "define"]))
def test_modules_of_every_state_become_the_same(text: str, imports: str) -> None:
    compared(wasm(text), imports=imports)
