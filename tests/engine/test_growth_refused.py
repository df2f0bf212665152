"""A growth that a limit refuses ends the build and says where; offsets are those of the original file."""

from __future__ import annotations

import pytest

from preinit import Options, build
from preinit.binary import encoder as write
from preinit.binary.cursor import Cursor
from preinit.binary.module import parse
from preinit.engine.runtime import TABLE_ELEMENTS
from preinit.errors import GrowthRefused, GuestTrap, MemoryLimit
from tests.support.binaries import found, offsets_of
from tests.support.modules import UNUSABLE, build_text, wasm

PAGE = 65536


def refused(text: str, **options: object) -> GrowthRefused:
    with pytest.raises(GrowthRefused) as problem:
        build_text(text, **options)
    return problem.value


def test_a_growth_that_our_limit_refuses_names_the_function_and_the_instruction() -> None:
    text = """(module (memory (export "memory") 1)
      (func $allocate (param i32) (result i32) (nop) (memory.grow (local.get 0)))
      (func $start_up (export "wizer-initialize") (drop (call $allocate (i32.const 1)))
        (drop (call $allocate (i32.const 100)))))"""
    problem = refused(text, max_memory=10 * PAGE)
    assert [frame.name for frame in problem.frames] == ["allocate", "start_up"]
    assert [frame.offset for frame in problem.frames] == [
        offsets_of(wasm(text), "memory_grow")[0],
        offsets_of(wasm(text), "call")[1],
    ]
    assert "`max_memory`" in str(problem)


def test_a_growth_within_the_limit_is_done() -> None:
    result = build_text(
        """(module (memory (export "memory") 1)
          (func (export "wizer-initialize")
            (if (i32.ne (memory.grow (i32.const 9)) (i32.const 1)) (then unreachable))))""",
        max_memory=10 * PAGE,
    )
    assert result.report.snapshot.memories[0].pages == 10


GROW_AND_STORE = """(module
  (global $result (export "result") (mut {type}) ({type}.const 7)) {things}
  (func (export "wizer-initialize") (global.set $result {grow})))"""


def result_of(things: str, grow: str, kind: str = "i32", **options: object) -> int:
    built = build_text(GROW_AND_STORE.format(things=things, grow=grow, type=kind), **options)
    initializer = parse(built.wasm).globals[0].initializer
    assert initializer is not None
    return Cursor(initializer.raw, 1, len(initializer.raw), "constant").signed(64)


@pytest.mark.parametrize(
    ("things", "grow", "kind"),
    [
        ("(memory 1 4)", "(memory.grow (i32.const 4))", "i32"),
        ("(memory 1 4)", "(memory.grow (i32.const -1))", "i32"),
        ("(memory 1)", "(memory.grow (i32.const 65536))", "i32"),
        ("(memory 1)", "(memory.grow (i32.const -1))", "i32"),
        ("(memory 1) (memory 0 3)", "(memory.grow 1 (i32.const 4))", "i32"),
        ("(memory i64 1 4)", "(memory.grow (i64.const 4))", "i64"),
        ("(memory i64 1 4)", "(memory.grow (i64.const -1))", "i64"),
        ("(memory i64 1)", "(memory.grow (i64.const 0x1_0000_0000_0000))", "i64"),
        ("(memory 1 1 shared)", "(memory.grow (i32.const 1))", "i32"),
        ("(table 1 4 funcref)", "(table.grow (ref.null func) (i32.const 4))", "i32"),
        ("(table 1 4 funcref)", "(table.grow (ref.null func) (i32.const -1))", "i32"),
        ("(table 1 funcref)", "(table.grow (ref.null func) (i32.const -1))", "i32"),
        ("(table i64 1 4 externref)", "(table.grow (ref.null extern) (i64.const 4))", "i64"),
    ],
)
def test_a_growth_beyond_the_module_s_own_maximum_gives_minus_one(things: str, grow: str, kind: str) -> None:
    assert result_of(things, grow, kind) == -1


@pytest.mark.parametrize(
    ("things", "grow", "kind", "options"),
    [
        ("(memory 1)", "(memory.grow (i32.const 4))", "i32", {"max_memory": 4 * PAGE}),
        ("(memory 1 5)", "(memory.grow (i32.const 4))", "i32", {"max_memory": 4 * PAGE}),
        ("(memory 1) (memory 1)", "(memory.grow 1 (i32.const 4))", "i32", {"max_memory": 4 * PAGE}),
        ("(memory i64 1)", "(memory.grow (i64.const 4))", "i64", {"max_memory": 4 * PAGE}),
        ("(memory i64 1)", "(memory.grow (i64.const 0xffff_ffff_ffff))", "i64", {}),
        ("(memory 1 (pagesize 1))", "(memory.grow (i32.const 100))", "i32", {"max_memory": 100}),
        ("(memory i64 1 500 (pagesize 1))", "(memory.grow (i64.const 100))", "i64", {"max_memory": 100}),
        ("(table 1 funcref)", f"(table.grow (ref.null func) (i32.const {TABLE_ELEMENTS}))", "i32", {}),
        ("(table 1 externref)", f"(table.grow (ref.null extern) (i32.const {TABLE_ELEMENTS}))", "i32", {}),
        ("(table i64 1 funcref)", f"(table.grow (ref.null func) (i64.const {TABLE_ELEMENTS}))", "i64", {}),
        ("(table 1 20000000 funcref)", f"(table.grow (ref.null func) (i32.const {TABLE_ELEMENTS}))", "i32", {}),
    ],
)
def test_a_growth_that_only_the_host_refuses_ends_the_build(
    things: str, grow: str, kind: str, options: dict[str, object]
) -> None:
    text = GROW_AND_STORE.format(things=things, grow=grow, type=kind)
    problem = refused(text, **options)
    assert problem.frames[0].offset == found(wasm(text))[0][1]
    assert problem.code == "growth-refused"


@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_custom_page_sizes_grow_by_bytes_up_to_the_limit(compiler: str) -> None:
    things = "(memory 1 (pagesize 1))"
    assert result_of(things, "(memory.grow (i32.const 99))", max_memory=100, compiler=compiler) == 1


def test_a_memory_that_starts_above_the_limit_is_refused_before_it_runs() -> None:
    with pytest.raises(MemoryLimit, match="memory 0 starts with"):
        build_text('(module (memory 5) (func (export "wizer-initialize")))', max_memory=4 * PAGE)


def test_a_growth_in_a_start_function_is_watched_too() -> None:
    problem = refused(
        '(module (memory 1) (func $begin (drop (memory.grow (i32.const 9)))) (start $begin) (func (export "f")))',
        init_funcs=("f",),
        max_memory=4 * PAGE,
    )
    assert [frame.name for frame in problem.frames] == ["begin"]


@pytest.mark.parametrize("functions", [1, 200, 20_000])
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_offsets_after_growth_are_those_of_the_original_file(functions: int, compiler: str) -> None:
    """The more functions, the longer is the call that stands for a growth instruction in the copy that is run."""
    text = f"""(module (memory 1) (table 1 funcref)
      {"(func)" * functions}
      (func $crash (param i32) (result i32)
        (drop (i32.div_u (i32.const 1) (i32.eq (local.get 0) (i32.const 0))))
        (drop (memory.grow (i32.const 1)))
        (drop (i32.div_u (i32.const 1) (i32.eq (local.get 0) (i32.const 1))))
        (drop (table.grow (ref.null func) (i32.const 1)))
        (drop (memory.grow (i32.const 1)))
        (drop (i32.div_u (i32.const 1) (i32.eq (local.get 0) (i32.const 2))))
        (i32.const 0))
      (func $init (export "init") (param i32)
        (drop (memory.grow (i32.const 1))) (drop (call $crash (local.get 0))) (drop (memory.grow (i32.const 1)))))"""
    text = text.replace("(i32.eq ", "(i32.ne ")
    divisions = offsets_of(wasm(text), "i32_div_u")
    assert len(divisions) == 3
    calls = offsets_of(wasm(text), "call")
    for number, place in enumerate(divisions):
        with pytest.raises(GuestTrap) as problem:
            build_text(text, init_funcs=(f"init({number})",), compiler=compiler)
        assert [(frame.name, frame.offset) for frame in problem.value.frames] == [("crash", place), ("init", calls[0])]


#: Instructions whose second opcode takes more bytes than it needs: valid, and written by no compiler.
PADDED = {
    "memory.fill": "41 00 41 00 41 00 fc 8b 80 00 00",
    "saturating truncation": "43 00 00 80 3f fc 80 00 1a",
    "a vector constant": "fd 8c 00 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 1a",
    "a vector load": "41 00 fd 80 80 00 04 00 1a",
    "an atomic load": "41 00 fe 90 80 00 02 00 1a",
}


@pytest.mark.parametrize("name", PADDED)
def test_growth_behind_a_padded_opcode_is_watched(name: str) -> None:
    grow = "41 00 41 e4 00 40 00 36 02 00 0b"  # i32.store(0, memory.grow(100))
    body = b"\0" + bytes.fromhex(PADDED[name] + grow)
    sections = [
        write.section(1, bytes.fromhex("01 60 00 00")),
        write.section(3, b"\1\0"),
        write.section(5, bytes.fromhex("01 00 01")),
        write.section(7, write.vector([write.export("preinit_initialize", 0, 0)])),
        write.section(10, write.vector([write.code_entry(body)])),
    ]
    binary = write.assemble(sections)
    build(binary, Options(cache=False, **UNUSABLE))
    with pytest.raises(GrowthRefused):
        build(binary, Options(cache=False, max_memory=10 << 16, **UNUSABLE))


def test_a_shared_memory_may_not_grow_past_the_limit() -> None:
    text = (
        """(module (memory 1 4096 shared) (func (export "preinit_initialize") (drop (memory.grow (i32.const 2000)))))"""
    )
    with pytest.raises(MemoryLimit, match="may grow to 256 MiB"):
        build_text(text, max_memory=10 << 16)


# -- all memories, and all tables, together ----------------------------------------------------------------------------

TOGETHER = pytest.mark.parametrize("engine", ["whole", "ondemand"])


def memories(first: str, second: str, code: str, more: str = "") -> str:
    return f'(module {more} (memory $a {first}) (memory $b {second}) (func $init (export "wizer-initialize") {code}))'


@TOGETHER
@pytest.mark.parametrize(("first", "second"), [("1", "1"), ("i64 1", "1"), ("1", "i64 1 100"), ("1 9", "i64 1")])
def test_memories_may_grow_as_far_as_all_of_them_together_may(engine: str, first: str, second: str) -> None:
    grown = {
        name: f"({'i64' if 'i64' in kind else 'i32'}.const DELTA)"
        for name, kind in zip("ab", (first, second), strict=True)
    }
    steps = "".join(f"(drop (memory.grow ${name} {delta.replace('DELTA', '3')}))" for name, delta in grown.items())
    result = build_text(memories(first, second, steps), engine=engine, max_memory=8 * PAGE)
    assert [memory.pages for memory in result.report.snapshot.memories] == [4, 4]
    for name, delta in grown.items():
        one_more = f"{steps} (drop (memory.grow ${name} {delta.replace('DELTA', '1')}))"
        with pytest.raises(GrowthRefused, match=f"memory {'ab'.index(name)} could not grow") as caught:
            build_text(memories(first, second, one_more), engine=engine, max_memory=8 * PAGE)
        assert [frame.name for frame in caught.value.frames] == ["init"]
        assert "together" in str(caught.value)


@TOGETHER
def test_what_a_memory_s_own_maximum_forbids_is_the_guest_s_to_handle(engine: str) -> None:
    code = """(if (i32.ne (memory.grow $a (i32.const 2)) (i32.const -1)) (then unreachable))
      (if (i64.ne (memory.grow $b (i64.const -1)) (i64.const -1)) (then unreachable))
      (if (i32.ne (memory.grow $a (i32.const 0)) (i32.const 1)) (then unreachable))"""
    result = build_text(memories("1 2", "i64 1 9", code), engine=engine, max_memory=2 * PAGE)
    assert [memory.pages for memory in result.report.snapshot.memories] == [1, 1]


@TOGETHER
@pytest.mark.parametrize("delta", [1, (1 << 48) - 1, 1 << 47, -1])
def test_no_number_of_pages_gets_past_the_limit(engine: str, delta: int) -> None:
    text = memories("1", "i64 1", f"(drop (memory.grow $b (i64.const {delta})))")
    if delta == -1:  # past the largest memory that there can be: everywhere
        assert build_text(text, engine=engine, max_memory=2 * PAGE).report.snapshot.memories[1].pages == 1
        return
    with pytest.raises(GrowthRefused):
        build_text(text, engine=engine, max_memory=2 * PAGE)


def test_memories_that_start_with_more_than_all_may_have_are_refused() -> None:
    with pytest.raises(MemoryLimit, match="start with 256 KiB together, the limit is 262,143 bytes"):
        build_text(memories("2", "2", ""), max_memory=4 * PAGE - 1)


@TOGETHER
def test_tables_may_grow_as_far_as_all_of_them_together_may(engine: str) -> None:
    def text(second: int) -> str:
        return f"""(module (table $a 0 funcref) (table $b 0 externref) (func $init (export "wizer-initialize")
          (drop (table.grow $a (ref.null func) (i32.const 600000)))
          (drop (table.grow $b (ref.null extern) (i32.const {second})))))"""

    assert build_text(text(400_000), engine=engine).report.runs
    with pytest.raises(GrowthRefused, match="table 1 could not grow"):
        build_text(text(400_001), engine=engine)


@TOGETHER
def test_what_a_preloaded_module_keeps_to_itself_counts_too(engine: str) -> None:
    library = wasm('(module (memory 3) (table 400000 funcref) (func (export "f")))')
    text = """(module (import "l" "f" (func $f)) (memory 1) (table 0 funcref) (func $init (export "wizer-initialize")
      (call $f) (drop (memory.grow (i32.const PAGES))) (drop (table.grow (ref.null func) (i32.const ENTRIES)))))"""

    def attempt(pages: int, entries: int, most: int = 6) -> None:
        code = text.replace("PAGES", str(pages)).replace("ENTRIES", str(entries))
        build_text(code, engine=engine, max_memory=most * PAGE, preloads={"l": library})

    attempt(2, 600_000)
    with pytest.raises(GrowthRefused, match="memory 0"):
        attempt(3, 0)
    with pytest.raises(GrowthRefused, match="table 0"):
        attempt(0, 600_001)
    with pytest.raises(MemoryLimit, match="start with"):
        attempt(0, 0, 3)


def test_objects_without_end_meet_the_limit_and_the_error_says_so() -> None:
    problem = refused(
        """(module (rec (type $s (struct (field (ref null $s)) (field (ref $a)))) (type $a (array i64)))
        (global $g (mut (ref null $s)) (ref.null $s))
        (func $more (export "wizer-initialize") (loop $l
            (global.set $g (struct.new $s (global.get $g) (array.new_default $a (i32.const 100000)))) (br $l))))""",
        max_memory=100 * PAGE,
    )
    assert [frame.name for frame in problem.frames] == ["more"]
    assert "`max_memory`" in str(problem)
