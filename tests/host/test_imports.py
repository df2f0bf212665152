"""Imports: which functions of WASI there are, and what becomes of imports that don't exist at build time."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from preinit.errors import GuestTrap, ImportCalled
from preinit.host.wasi1.abi import MODULE, NO_RESULT, SIGNATURES
from tests.support.command import run
from tests.support.instances import Running
from tests.support.modules import build_text, text_of, wasm

INIT = '(export "wizer-initialize")'


def importing(*names: str) -> str:
    lines = []
    for name in names:
        result = "" if name in NO_RESULT else "(result i32)"
        lines.append(f'(import "{MODULE}" "{name}" (func (param {" ".join(SIGNATURES[name])}) {result}))')
    return "\n".join(lines)


def test_every_function_of_preview_1_has_the_signature_that_the_engine_gives_it() -> None:
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())
    module = wasmtime.Module(engine, wasm(f'(module {importing(*SIGNATURES)} (memory (export "memory") 1))'))
    linker.instantiate(store, module)


def test_a_module_that_imports_all_of_wasi_is_built() -> None:
    result = build_text(f"""(module {importing(*SIGNATURES)} (memory (export "memory") 1)
        (func {INIT} (i32.store (i32.const 0) (i32.const 1))))""")
    assert result.report.host.calls == {}
    assert text_of(result.wasm).count("(import ") == len(SIGNATURES)


def test_the_report_counts_the_calls_of_each_function() -> None:
    result = build_text(f"""(module {importing("sched_yield", "sock_shutdown")} (memory (export "memory") 1)
        (func {INIT} (drop (call 0)) (drop (call 0)) (drop (call 1 (i32.const 0) (i32.const 0)))))""")
    assert result.report.host.calls == {"sched_yield": 2, "sock_shutdown": 1}


@pytest.mark.parametrize(
    "memory",
    [
        "", "(memory 1)", '(memory (export "mem") 1)', '(func (export "memory"))',
        '(import "env" "a" (memory 1)) (import "env" "b" (memory 1))', '(import "env" "a" (memory 1)) (memory 1)',
    ],
)  # fmt: skip
def test_wasi_needs_the_memory_under_its_name(memory: str) -> None:
    with pytest.raises(GuestTrap, match="does not export its memory as `memory`") as caught:
        build_text(f"""(module {importing("random_get")} {memory}
            (func $seed {INIT} (drop (call 0 (i32.const 0) (i32.const 1)))))""")
    assert [frame.name for frame in caught.value.frames] == ["seed"]
    assert "export" in (caught.value.hint or "")


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("imports", ["keep", "define", "restore"])
def test_an_imported_memory_that_is_the_only_one_is_the_guest_s(imports: str, engine: str) -> None:
    """Emscripten's loader makes the memory, and its functions of WASI know it: PGlite is such a module."""
    text = f"""(module {importing("random_get")} (import "env" "memory" (memory 1))
      (func {INIT} (drop (call 0 (i32.const 100) (i32.const 8)))))"""
    result = build_text(text, imports=imports, engine=engine)
    assert result.report.host.random_bytes == 8
    resumed = Running(result.wasm)
    resumed.start()
    assert any(resumed.state().memories[0][100:108])


def test_what_needs_no_memory_works_without() -> None:
    build_text(f"(module {importing('sched_yield')} (func {INIT} (drop (call 0))))")


def test_wasi_can_be_called_from_the_start_function() -> None:
    result = build_text(
        f"""(module {importing("random_get")} (memory (export "memory") 1)
            (func $go (drop (call 0 (i32.const 0) (i32.const 4)))) (start $go))""",
        init_funcs=[],
    )
    assert result.report.host.random_bytes == 4


def test_a_wasi_function_in_a_module_with_gc_types_is_called() -> None:
    result = build_text(f"""(module (type $s (struct (field i32))) (type $yield (func (result i32)))
        (import "{MODULE}" "sched_yield" (func $y (type $yield)))
        (func {INIT} (drop (struct.new $s (call $y)))))""")
    assert result.report.host.calls == {"sched_yield": 1}


# -- imports that don't exist


def test_a_call_of_an_unknown_import_names_it_and_shows_where_from() -> None:
    with pytest.raises(ImportCalled, match=r"`env\.log`") as caught:
        build_text(f"""(module (import "env" "other" (func)) (import "env" "log" (func $log (param i32) (result f64)))
            (func $inner (drop (call $log (i32.const 1))))
            (func $outer {INIT} (call $inner)))""")
    assert [(frame.name, frame.function_index) for frame in caught.value.frames] == [("inner", 2), ("outer", 3)]


def test_a_name_that_would_steer_the_terminal_is_escaped() -> None:
    with pytest.raises(ImportCalled) as caught:
        build_text(f"""(module (import "env" "a\\1b[31m" (func $f)) (func {INIT} (call $f)))""")
    assert "\x1b" not in str(caught.value)
    assert r"env.a\x1b[31m" in str(caught.value)


def test_a_call_through_a_table_is_seen_too() -> None:
    with pytest.raises(ImportCalled, match=r"`env\.f`"):
        build_text(f"""(module (import "env" "f" (func $f)) (table funcref (elem $f))
            (func {INIT} (call_indirect (i32.const 0))))""")


UNCALLED = {
    "v128": '(import "env" "f" (func (param v128) (result v128)))',
    "references": '(import "env" "f" (func (param funcref externref) (result externref funcref)))',
    "many_results": '(import "env" "f" (func (param i64 f32) (result i32 i64 f32 f64)))',
    "typed_references": '(type $t (func)) (import "env" "f" (func (param (ref null $t)) (result (ref $t))))',
    "gc_structs": '(type $s (struct (field i32))) (import "env" "f" (func (param (ref null $s)) (result anyref)))',
    "recursive_types": """(rec (type $f (func (param (ref null $s)))) (type $s (struct (field (ref null $f)))))
        (import "env" "f" (func (type $f)))""",
    "subtypes": '(type $f (sub (func))) (type $g (sub final $f (func))) (import "env" "f" (func (type $g)))',
    "i31_and_exnref": '(import "env" "f" (func (param i31ref exnref)))',
    "a_tag": '(import "env" "t" (tag (param i32 externref)))',
    "a_tag_with_a_struct": '(type $s (struct)) (import "env" "t" (tag (param (ref $s))))',
    "twice_with_different_types": '(import "env" "f" (func)) (import "env" "f" (func (param i32) (result i64)))',
    "twice_with_different_kinds": '(import "env" "f" (func)) (import "env" "f" (tag (param i32)))',
    "names_that_are_empty_or_not_ascii": '(import "" "" (func)) (import "\u00e4" "\u2603" (func))',
    "an_older_wasi": '(import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))',
    "a_wasi_name_that_does_not_exist": f'(import "{MODULE}" "fd_teleport" (func (param i32)))',
    "a_wasi_name_with_another_type": f'(import "{MODULE}" "fd_read" (func (param i64 i64) (result i64)))',
}


@pytest.mark.parametrize("shape", UNCALLED)
def test_an_import_that_is_not_called_is_kept_as_it_is(shape: str) -> None:
    result = build_text(f"""(module {UNCALLED[shape]} (memory (export "memory") 1)
        (func {INIT} (i32.store (i32.const 0) (i32.const 1))))""")
    assert text_of(result.wasm).count("(import ") == UNCALLED[shape].count("(import ")


@pytest.mark.parametrize(
    ("types", "call"),
    [
        ("(func $f (param v128))", "(call $f (v128.const i64x2 1 2))"),
        ("(func $f (param funcref))", "(call $f (ref.null func))"),
        ("(func $f (result v128 i31ref))", "(call $f) (drop) (drop)"),
    ],
)
def test_an_import_of_an_exotic_type_can_be_named_when_it_is_called(types: str, call: str) -> None:
    with pytest.raises(ImportCalled, match=r"`env\.f`"):
        build_text(f'(module (import "env" "f" {types}) (func {INIT} {call}))')


def test_one_import_with_two_types_is_told_apart_by_position() -> None:
    with pytest.raises(ImportCalled, match=r"`env\.f`"):
        build_text(f"""(module (import "env" "f" (func)) (import "env" "f" (func $g (result i32)))
            (func {INIT} (drop (call $g))))""")


def test_a_wasi_name_with_another_type_is_explained_when_it_is_called() -> None:
    with pytest.raises(ImportCalled, match="another type than WASI preview 1") as caught:
        build_text(f"""(module (import "{MODULE}" "fd_close" (func $f (param i64) (result i32)))
            (memory (export "memory") 1)
            (func {INIT} (drop (call $f (i64.const 0)))))""")
    assert "wasip1" in (caught.value.hint or "")


def test_an_imported_tag_can_be_thrown_and_caught() -> None:
    build_text(f"""(module (import "env" "t" (tag $t (param i32))) (memory (export "memory") 1)
        (func {INIT} (i32.store (i32.const 0)
            (block $caught (result i32) (try_table (catch $t $caught) (throw $t (i32.const 7))) (i32.const 0)))))""")


def test_a_tag_that_is_imported_twice_is_one_tag() -> None:
    build_text(f"""(module (import "env" "t" (tag $t)) (import "env" "t" (tag $u)) (memory (export "memory") 1)
        (func {INIT} (block $caught (try_table (catch $u $caught) (throw $t)) (unreachable))))""")


def test_what_is_said_after_the_guest_has_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in.wat").write_text(
        """(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\05\\00\\00\\00hello")
          (func (export "wizer-initialize")
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))"""
    )
    done = run("build", tmp_path / "in.wat", "-o", tmp_path / "out.wasm", code=0)
    assert done.stderr.decode().splitlines()[:2] == ["hellohello", "ran wizer-initialize"]
