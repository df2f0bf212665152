"""Imported memories, tables and globals: kept as imports, or made the output's own."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors
from preinit.binary.module import parse
from preinit.binary.sections import ExternKind
from tests.support.instances import Running
from tests.support.modules import build_text, wasm
from tests.support.shapes.imports import CALLS, STATE, VALUES

INIT = '(export "preinit_initialize")'


def answers(running: Running) -> list[object]:
    result: list[object] = []
    for name, *arguments in CALLS:
        results = len(running.module.function_type(running.module.exported(name).target).results)  # type: ignore[union-attr]
        try:
            raw = [int(number).to_bytes(4, "little") for number in arguments]
            result.append(running.call(str(name), *raw, results=results)[0][:8])
        except errors.GuestTrap as trap:
            result.append(trap.what)
    return result


@pytest.mark.parametrize("imports", ["keep", "define", "restore"])
def test_the_output_starts_where_the_initializer_ended(imports: str) -> None:
    original = Running(wasm(STATE), values=dict(VALUES))
    original.initialize(Options())
    result = build_text(STATE, imports=imports, import_globals=VALUES)
    resumed = Running(result.wasm, values=dict(VALUES))
    resumed.start()
    assert resumed.state().memories == original.state().memories
    assert resumed.state().tables == original.state().tables
    assert answers(resumed) == answers(original)


def test_kept_imports_ask_for_what_is_needed() -> None:
    output = parse(build_text(STATE, import_globals=VALUES).wasm)
    assert [entry.name for entry in output.imports] == [entry.name for entry in parse(wasm(STATE)).imports]
    assert (output.memories[0].minimum, output.memories[0].maximum) == (3, 10)
    assert (output.tables[0].limits.minimum, output.tables[0].limits.maximum) == (5, 20)


def test_a_constant_with_another_value_than_at_build_time_traps_at_the_start() -> None:
    result = build_text(STATE, import_globals=VALUES)
    for name, other in (("e.base", "2"), ("e.fimm", "-0.5"), ("e.dimm", "nan"), ("e.limm", "0")):
        with pytest.raises(errors.GuestTrap, match="unreachable"):
            Running(result.wasm, values={**dict(VALUES), name: other}).start()


def test_defined_imports_are_exported_by_their_names() -> None:
    output = parse(build_text(STATE, imports="define", import_globals=VALUES).wasm)
    assert [entry.kind for entry in output.imports] == [ExternKind.FUNC]
    assert {"mem", "t", "sp", "base", "vg", "fimm", "fref"} <= output.exported_names
    assert output.start is None


def test_an_export_in_the_way_of_a_defined_import_is_refused() -> None:
    text = f'(module (import "e" "x" (memory 1)) (func {INIT}) (func (export "x")))'
    with pytest.raises(errors.UsageError, match="exported as 'x'"):
        build_text(text, imports="define")


def test_an_import_that_is_exported_by_its_name_anyway_is_exported_once() -> None:
    text = f'(module (import "e" "memory" (memory 1)) (export "memory" (memory 0)) (func {INIT} (i32.store8 (i32.const 1) (i32.const 1))))'
    output = parse(build_text(text, imports="define").wasm)
    assert [entry.name for entry in output.exports] == ["memory"]


def test_a_loader_is_told_of_imports_that_grew() -> None:
    def codes(imports: str) -> list[str]:
        values = (*VALUES, ("e.sp", "0"), ("e.vg", "0x0"))
        return [w.code for w in build_text(STATE, imports=imports, import_globals=values).report.warnings]

    assert codes("keep") == ["imported-memory-grew", "imported-table-grew"]
    assert codes("define") == codes("restore") == []


def test_a_global_that_was_assumed_to_be_zero_is_warned_about() -> None:
    text = f'(module (import "env" "__stack_pointer" (global $sp (mut i32))) (func {INIT}))'
    (warning,) = build_text(text).report.warnings
    assert warning.code == "assumed-global"
    assert '`import_globals={"env.__stack_pointer": "VALUE"}`' in warning.hint
    assert not build_text(text, import_globals=(("env.__stack_pointer", "65536"),)).report.warnings


def test_addresses_that_a_loader_fills_in_are_warned_about_together() -> None:
    got = "".join(f'(import "GOT.{kind}" "{name}" (global (mut i32)))' for kind in ("func", "mem") for name in "abc")
    (warning,) = build_text(f"(module {got} (func {INIT}))").report.warnings
    assert warning.code == "assumed-global"
    assert warning.message.startswith("6 imported addresses that a loader fills in were zero")
    given = [(f"GOT.{kind}.{name}", "4") for kind in ("func", "mem") for name in "abc"]
    (warning,) = build_text(f"(module {got} (func {INIT}))", import_globals=given[:5]).report.warnings
    assert warning.message.startswith("1 imported address that a loader fills in was zero")
    assert "GOT.mem.c" in warning.hint
    assert not build_text(f"(module {got} (func {INIT}))", import_globals=given).report.warnings


@pytest.mark.parametrize("imports", ["keep", "restore"])
def test_one_memory_that_is_imported_twice_is_one(imports: str) -> None:
    text = f"""(module (import "e" "m" (memory $a 1)) (import "e" "m" (memory $b 1)) (global $g (mut i32) (i32.const 0))
        (func {INIT} (i32.store8 $a (i32.const 5) (i32.const 9)) (global.set $g (i32.load8_u $b (i32.const 5)))))"""
    resumed = Running(build_text(text, imports=imports).wasm)
    resumed.start()
    assert resumed.state().globals[0] == b"\x09\0\0\0"
    assert resumed.state().memories[0][5] == resumed.state().memories[1][5] == 9


def test_one_thing_that_is_imported_twice_can_not_become_two() -> None:
    text = f'(module (import "e" "m" (memory 1)) (import "e" "m" (memory {{}})) (func {INIT}))'
    with pytest.raises(errors.ImportedState, match="twice"):
        build_text(text.format("1"), imports="define")
    with pytest.raises(errors.ImportedState, match="twice"):
        build_text(text.format("0"))


def test_no_start_function_is_added_without_imported_globals() -> None:
    text = f'(module (import "e" "m" (memory 1)) (func {INIT} (i32.store8 (i32.const 1) (i32.const 7))))'
    assert parse(build_text(text).wasm).start is None


def test_an_imported_shared_memory_can_be_defined() -> None:
    text = f'(module (import "e" "m" (memory 1 2 shared)) (func {INIT} (i32.store8 (i32.const 1) (i32.const 7))))'
    output = build_text(text, imports="define")
    assert Running(output.wasm).state().memories[0][:2] == b"\0\7"


@pytest.mark.parametrize("value", [("e.g", "x"), ("e.g", "4294967296"), ("e.other", "1")])
def test_a_value_that_fits_no_import_is_a_usage_error(value: tuple[str, str]) -> None:
    with pytest.raises(errors.UsageError):
        build_text(f'(module (import "e" "g" (global i32)) (func {INIT}))', import_globals=(value,))


def test_wasi_finds_an_imported_memory_that_is_exported() -> None:
    text = f"""(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32)))
        (import "e" "m" (memory 1)) (export "memory" (memory 0)) (func {INIT} (drop (call $r (i32.const 0) (i32.const 8)))))"""
    result = build(wasm(text), Options(cache=False))
    assert result.report.host.random_bytes == 8
    assert result.report.snapshot.memories[0].bytes_written


#: A host whose memory, table and globals are in use already, and larger than the module asks for.
DIRTY = """(module (memory (export "mem") 2 10) (table (export "t") 4 20 funcref) (func $x (result i32) (i32.const 66))
    (data (i32.const 0) "rubbish") (data (i32.const 131000) "more") (elem (i32.const 0) $x $x $x $x)
    (global (export "sp") (mut i32) (i32.const 13)) (global (export "base") i32 (i32.const 1))
    (global (export "vg") (mut v128) (v128.const i64x2 9 9)) (global (export "fimm") f32 (f32.const 0.5))
    (global (export "dimm") f64 (f64.const -2)) (global (export "limm") i64 (i64.const 0x10))
    (global (export "fref") (mut funcref) (ref.func $x)))"""


def test_a_memory_and_table_that_are_in_use_are_restored() -> None:
    original = Running(wasm(STATE), values=dict(VALUES))
    original.initialize(Options())
    result = build_text(STATE, imports="restore", import_globals=VALUES)
    output = parse(result.wasm)
    assert (output.memories[0].minimum, output.tables[0].limits.minimum) == (1, 3)
    resumed = Running(result.wasm, preloads={"e": wasm(DIRTY)})
    resumed.start()
    assert resumed.state().memories == original.state().memories
    assert resumed.state().tables == original.state().tables
    assert answers(resumed) == answers(original)


@pytest.mark.parametrize(("kind", "limits"), [("i64 ", "1 4"), ("", "1 4"), ("", "100 70000 (pagesize 1)")])
def test_every_kind_of_memory_is_restored(kind: str, limits: str) -> None:
    address = "i64" if kind else "i32"
    text = f"""(module (import "e" "m" (memory {kind}{limits})) (import "e" "t" (table {kind}2 9 funcref)) (func $f)
        (elem declare func $f) (data $live "live")
        (func {INIT} (drop (memory.grow ({address}.const 2))) (i32.store ({address}.const 96) (i32.const 7))
            (table.set 0 ({address}.const 1) (ref.func $f)))
        (func (export "use") (memory.init $live ({address}.const 0) (i32.const 0) (i32.const 4))))"""
    original = Running(wasm(text))
    original.initialize(Options())
    dirty = f"""(module (memory (export "m") {kind}{limits}) (table (export "t") {kind}2 9 funcref) (func $x)
        (data ({address}.const 1) "rubbish") (elem (table 0) ({address}.const 0) func $x $x))"""
    resumed = Running(build_text(text, imports="restore").wasm, preloads={"e": wasm(dirty)})
    resumed.start()
    assert resumed.state().memories == original.state().memories
    assert resumed.state().tables == original.state().tables
    resumed.call("use")
    assert resumed.state().memories[0][:4] == b"live"


def test_a_memory_that_can_not_grow_back_to_its_size_traps_at_the_start() -> None:
    text = f"""(module (import "e" "m" (memory 1 4)) (func {INIT} (drop (memory.grow (i32.const 3)))))"""
    output = build_text(text, imports="restore").wasm
    with pytest.raises(errors.PreinitError):
        Running(output, preloads={"e": wasm('(module (memory (export "m") 1 2))')}).start()


def test_globals_that_the_initializer_left_alone_are_the_hosts_to_choose() -> None:
    text = f"""(module (import "e" "sp" (global $g (mut i32))) (import "e" "f" (global $f (mut funcref)))
        (global $k (mut i32) (i32.const 0)) (func {INIT} (global.set $k (i32.const 1)))
        (func (export "sp") (result i32) (global.get $g)) (func (export "f") (result i32) (ref.is_null (global.get $f))))"""
    host = """(module (func $x) (global (export "sp") (mut i32) (i32.const 65536))
        (global (export "f") (mut funcref) (ref.func $x)))"""
    for imports in ("keep", "restore"):
        resumed = Running(build_text(text, imports=imports).wasm, preloads={"e": wasm(host)})
        resumed.start()
        assert [int.from_bytes(resumed.call(name, results=1)[0][:4], "little") for name in ("sp", "f")] == [65536, 0]


def test_a_constant_reference_from_outside_needs_a_value() -> None:
    text = f'(module (import "a" "e" (global $e externref)) (table 1 externref (global.get $e)) (func {INIT}))'
    with pytest.raises(errors.ImportedState, match="needs its value"):
        build_text(text)


def test_preloaded_state_does_not_become_two() -> None:
    text = f'(module (import "e" "m" (memory 1)) (func {INIT} (i32.store8 (i32.const 9) (i32.const 1))))'
    fresh, used = (f'(module (memory (export "m") 1) {data})'.encode() for data in ("", '(data (i32.const 0) "abcd")'))
    build_text(text, preloads=(("e", fresh),))
    with pytest.raises(errors.ImportedState, match="in use before"):
        build_text(text, preloads=(("e", used),))
    with pytest.raises(errors.ImportedState, match="can't become the output's own"):
        build_text(text, preloads=(("e", fresh),), imports="define")
    output = build_text(
        text.replace("1))))", "0)) (i32.store8 (i32.const 0) (i32.const 0))))"),
        preloads=(("e", used),),
        imports="restore",
    ).wasm
    resumed = Running(output, preloads={"e": wasm(used.decode())})
    resumed.start()
    assert resumed.state().memories[0][:5] == b"\0bcd\0"


def test_a_tag_under_two_type_indices_is_one_tag() -> None:
    text = f"""(module (type $x (func)) (type $y (func)) (import "a" "t" (tag $t (type $x))) (import "a" "t" (tag $u (type $y)))
        (global $k (mut i32) (i32.const 0))
        (func {INIT} (block $o (block $h (try_table (catch $u $h) (catch_all $o) (throw $t))) (global.set $k (i32.const 5)))))"""
    assert Running(build_text(text).wasm).state().globals[0] == b"\5\0\0\0"


@pytest.mark.parametrize("imports", ["keep", "restore"])
def test_a_function_that_only_the_start_function_names_is_declared(imports: str) -> None:
    text = f"""(module (import "a" "f" (global $f (mut funcref))) (table $t 1 funcref) (elem (i32.const 0) $x) (func $x)
        (func {INIT} (global.set $f (table.get $t (i32.const 0))) (table.set $t (i32.const 0) (ref.null func)))
        (func (export "null") (result i32) (ref.is_null (global.get $f))))"""
    resumed = Running(build_text(text, imports=imports).wasm)
    resumed.start()
    assert resumed.call("null", results=1)[0][:4] == bytes(4)


def test_a_table_without_null_is_restored() -> None:
    text = f"""(module (import "e" "t" (table $t 2 (ref i31))) (func {INIT} (table.set $t (i32.const 1) (ref.i31 (i32.const 9))))
        (func (export "at") (param i32) (result i32) (i31.get_s (table.get $t (local.get 0)))))"""
    host = '(module (table (export "t") 2 (ref i31) (ref.i31 (i32.const {}))))'
    output = build_text(text, preloads=(("e", host.format(7).encode()),), imports="restore").wasm
    resumed = Running(output, preloads={"e": wasm(host.format(3))})
    resumed.start()
    assert [resumed.call("at", bytes((i,)), results=1)[0][0] for i in (0, 1)] == [7, 9]


def test_a_vector_can_be_given_and_a_reference_can_not() -> None:
    vector = f'(module (import "a" "v" (global $v v128)) (global $k (mut v128) (v128.const i64x2 0 0)) (func {INIT} (global.set $k (global.get $v))))'
    build_text(vector, import_globals=(("a.v", "0x0123456789abcdef0123456789abcdef"),))
    with pytest.raises(errors.UsageError):
        build_text(f'(module (import "a" "f" (global (mut funcref))) (func {INIT}))', import_globals=(("a.f", "7"),))


@pytest.mark.parametrize(
    ("kind", "number", "bits"),
    [
        ("i32", 5, b"\5\0\0\0"),
        ("i32", -1, b"\xff" * 4),
        ("i64", 1 << 63, bytes(7) + b"\x80"),
        ("f32", 0.5, b"\0\0\0\x3f"),
        ("f64", 1e-300, b"\x59\xf3\xf8\xc2\x1f\x6e\xa5\x01"),
        ("f64", float("-inf"), bytes(6) + b"\xf0\xff"),
        ("f64", 3, bytes(6) + b"\x08\x40"),
    ],
)
def test_a_number_of_python_s_is_a_value_of_an_imported_global(kind: str, number: float, bits: bytes) -> None:
    text = f"""(module (import "e" "x" (global $x {kind})) (global $g (mut {kind}) ({kind}.const 0))
      (func {INIT} (global.set $g (global.get $x))))"""
    result = build_text(text, import_globals={"e.x": number})
    assert Running(result.wasm, values={"e.x": str(number)}).state().globals[1] == bits


@pytest.mark.parametrize(("kind", "number"), [("i32", 0.5), ("i32", 1 << 32), ("f32", 1e300)])
def test_a_number_of_python_s_must_fit_the_global(kind: str, number: float) -> None:
    with pytest.raises(errors.UsageError, match="is not a number of type"):
        build_text(f'(module (import "e" "x" (global {kind})) (func {INIT}))', import_globals={"e.x": number})


def test_imports_that_are_never_called_are_kept() -> None:
    result = build_text("""(module (import "env" "f" (func $f (param i32 v128 externref) (result i64)))
        (import "env" "f" (func $again (result i32))) (func (export "preinit_initialize")))""")
    assert [entry.name for entry in parse(result.wasm).imports] == ["f", "f"]
