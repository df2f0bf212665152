"""For any module: an instance of the output has the state of the original after its initializer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit import Options, build, errors
from tests.support.amounts import amount
from tests.support.any_module import modules
from tests.support.instances import Running, assert_same_state
from tests.support.modules import UNUSABLE, wasm
from tests.support.smith import FAIR, SMITH, callable_exports, smith

# -- modules by hypothesis ---------------------------------------------------------------------------------------------


@settings(max_examples=amount(60, 20))
@given(
    modules(), st.sampled_from(["balanced", "size", "wizer", "gzip", "few"]), st.sampled_from(["winch", "cranelift"])
)
def test_the_output_of_any_module_has_the_state_of_the_original(text: str, layout: str, compiler: str) -> None:
    try:
        assert_same_state(wasm(text), Options(cache=False, layout=layout, compiler=compiler, **UNUSABLE))  # type: ignore[arg-type]
    except errors.GuestTrap as trap:
        # A segment that was dropped before it was used: the original traps in the same way.
        assert "out of bounds" in str(trap)


# -- modules by wasm-tools smith ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", SMITH)
def test_modules_by_smith_have_the_state_of_the_original(config: str) -> None:
    built = 0
    for seed in range(amount(50, 12)):
        binary = smith(seed, SMITH[config])
        if binary is None:
            continue
        names = callable_exports(binary)
        for name in names[:3] or [""]:
            options = Options(cache=False, init_funcs=(name,) if name else ())
            try:
                build(binary, options)
            except FAIR:
                continue
            result = assert_same_state(binary, options)
            other = "cranelift" if result.report.engine.compiler == "winch" else "auto"
            assert build(binary, replace(options, compiler=other)).wasm == result.wasm
            built += 1
    assert built >= 3, "most seeds should give a module that can be built"


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
