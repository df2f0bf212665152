"""Values are passed as the engine's own runtime for components passes them: the guest's memory is the same."""

from __future__ import annotations

import pytest
from wasmtime.component import Record

from preinit import Options, build, errors
from preinit.engine.component.aggregates import Flags, List, option_of
from preinit.engine.component.aggregates import Record as RecordType
from preinit.engine.component.aggregates import Variant as VariantType
from preinit.engine.component.handles import Handles
from preinit.engine.component.values import MOST_BYTES, PRIMITIVES, Context
from tests.support.components import RunningComponent, build_component
from tests.support.modules import wasm


def taking(kind: str, core: str, types: str = "", encoding: str = "string-encoding=utf8") -> str:
    """A component whose `run` takes one value, and whose memory holds what its core function was given."""
    parameters = core.split()
    stores = "".join(
        f"({flat}.store (i32.const {1024 + 8 * number}) (local.get {number}))" for number, flat in enumerate(parameters)
    )
    return f"""(component {types}
      (core module $M (memory (export "memory") 1) (global $free (mut i32) (i32.const 1536))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
          (global.set $free (i32.and (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get 2))))
          (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 3))))
        (func (export "run") {"".join(f"(param {flat})" for flat in parameters)} {stores})
        (func (export "dump") (result i32) (i32.store (i32.const 16) (i32.const 1024))
          (i32.store (i32.const 20) (i32.const 1024)) (i32.const 16)))
      (core instance $m (instantiate $M))
      (func (export "run") (param "v" {kind})
        (canon lift (core func $m "run") (memory (core memory $m "memory")) (realloc (core func $m "realloc")) {encoding}))
      (func (export "dump") (result (list u8)) (canon lift (core func $m "dump") (memory (core memory $m "memory")))))"""


def flat_of(count: int, kind: str = "i32") -> str:
    return " ".join([kind] * count)


SHAPES = '(type $t (variant (case "a" f32) (case "b" u64) (case "c") (case "d" (tuple u8 f64)))) (export $shape "shape" (type $t))'
POINT = '(type $t (record (field "name" string) (field "x" s8) (field "far" u64) (field "tags" (list string)))) (export $point "point" (type $t))'
COLOR = '(type $t (enum "red" "dark-blue")) (export $color "color" (type $t))'
RIGHTS = '(type $t (flags "read" "write" "run" "a" "b" "c" "d" "e" "f")) (export $rights "rights" (type $t))'

#: A type, its flat core types, what it needs, a value in WAVE, and the same for the engine.
VALUES = [
    ("bool", "i32", "", "true", True),
    ("u8", "i32", "", "255", 255),
    ("s8", "i32", "", "-128", -128),
    ("u16", "i32", "", "65535", 65535),
    ("s16", "i32", "", "-32768", -32768),
    ("u32", "i32", "", "4294967295", 4294967295),
    ("s32", "i32", "", "-2147483648", -2147483648),
    ("u64", "i64", "", "18446744073709551615", 18446744073709551615),
    ("s64", "i64", "", "-9223372036854775808", -9223372036854775808),
    ("f32", "f32", "", "-0.1", -0.1),
    ("f64", "f64", "", "1.5e300", 1.5e300),
    ("f64", "f64", "", "-inf", float("-inf")),
    ("char", "i32", "", "'\\u{1f600}'", "\U0001f600"),
    ("string", "i32 i32", "", '"grüße\\n"', "grüße\n"),
    ("string", "i32 i32", "", '""', ""),
    ("(list u8)", "i32 i32", "", "[1, 2, 255]", bytes([1, 2, 255])),
    ("(list s64)", "i32 i32", "", "[-1, 2]", [-1, 2]),
    ("(list string)", "i32 i32", "", '["a", "bc", ""]', ["a", "bc", ""]),
    ("(list (list u16))", "i32 i32", "", "[[1], [], [2, 3]]", [[1], [], [2, 3]]),
    ("(tuple u8 u32 string)", flat_of(4), "", '(1, 2, "x")', (1, 2, "x")),
    ("(option u32)", flat_of(2), "", "some(7)", 7),
    ("(option u32)", flat_of(2), "", "7", 7),
    ("(option string)", flat_of(3), "", "none", None),
    ("(result u8 (error string))", flat_of(3), "", 'err("why")', "why"),
    ("(result u8 (error string))", flat_of(3), "", "ok(3)", 3),
    ("(result u8 (error string))", flat_of(3), "", "3", 3),
    ("$color", "i32", COLOR, "dark-blue", "dark-blue"),
    ("$rights", "i32", RIGHTS, "{write, f}", {"write", "f"}),
    ("$shape", "i32 i64 f64", SHAPES, "a(0.5)", 0.5),
    ("$shape", "i32 i64 f64", SHAPES, "b(9)", 9),
    ("$shape", "i32 i64 f64", SHAPES, "c", None),
    ("$shape", "i32 i64 f64", SHAPES, "d((5, 0.25))", (5, 0.25)),
]


def record(**fields: object) -> Record:
    made = Record()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


VALUES += [
    (
        "$point",
        "i32 i32 i32 i64 i32 i32",
        POINT,
        '{name: "p", x: -1, far: 99, tags: ["t", "u"]}',
        record(name="p", x=-1, far=99, tags=["t", "u"]),
    ),
    (f"(tuple {flat_of(17, 'u8')})", "i32", "", f"({', '.join(['3'] * 17)})", (3,) * 17),
]


@pytest.mark.parametrize(("kind", "core", "types", "written", "value"), VALUES, ids=[f"{v[0]} {v[3]}" for v in VALUES])
def test_a_value_lies_in_memory_as_the_engine_puts_it_there(
    kind: str, core: str, types: str, written: str, value: object
) -> None:
    text = taking(kind, core, types)
    engine = RunningComponent(wasm(text))
    engine.call("run", value)
    ours = RunningComponent(build_component(text, f"run({written})").wasm)
    assert bytes(ours.call("dump")) == bytes(engine.call("dump"))


@pytest.mark.parametrize("encoding", ["string-encoding=utf16", "string-encoding=latin1+utf16"])
@pytest.mark.parametrize("text", ["plain", "grüße", "日本", "a\U0001f600b", ""])
def test_strings_are_passed_in_each_encoding(encoding: str, text: str) -> None:
    component = taking("string", "i32 i32", encoding=encoding)
    memory = bytes(RunningComponent(build_component(component, f'run("{text}")').wasm).call("dump"))
    address, length = (int.from_bytes(memory[at : at + 4], "little") for at in (0, 8))
    wide = "latin1" not in encoding or length >> 31
    size, codec = (2 * (length & 0x7FFFFFFF), "utf-16-le") if wide else (length, "latin-1")
    assert memory[address - 1024 : address - 1024 + size].decode(codec) == text
    assert address % 2 == 0


@pytest.mark.parametrize(
    ("kind", "core", "types", "written", "said"),
    [
        ("u8", "i32", "", "256", "256 is no u8"),
        ("s8", "i32", "", "-129", "-129 is no s8"),
        ("u32", "i32", "", "1.5", "no value of type u32"),
        ("bool", "i32", "", "1", "no value of type bool"),
        ("char", "i32", "", '"ab"', "no value of type char"),
        ("string", "i32 i32", "", "abc", "'abc' is no value of type string"),
        ("$color", "i32", COLOR, "green", "'green' is no value of type enum { red, dark-blue }"),
        ("$rights", "i32", RIGHTS, "{fly}", "'fly' is none of flags"),
        ("$point", "i32 i32 i32 i64 i32 i32", POINT, '{name: "p"}', "the field 'x' has no value"),
        ("$point", "i32 i32 i32 i64 i32 i32", POINT, '{nam: "p", x: 1}', "there is no field 'nam'"),
        (
            "$point",
            "i32 i32 i32 i64 i32 i32",
            POINT,
            '{name: "p", x: 1, far: 2, tags: [], y: 1}',
            "there is no field 'y'",
        ),
        ("(tuple u8 u8)", "i32 i32", "", "(1)", "no value of type tuple<u8, u8>"),
        ("(list u8)", "i32 i32", "", "[1, 300]", "300 is no u8"),
        ("f32", "f32", "", "1e39", "is no f32"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_an_example(
    kind: str, core: str, types: str, written: str, said: str
) -> None:
    with pytest.raises(errors.InitializerType) as caught:
        build(wasm(taking(kind, core, types)), Options(cache=False, init_funcs=(f"run({written})",)))
    assert said in str(caught.value)
    assert "what to do:" in str(caught.value)


# -- what the guest passes


class Memory:
    """A guest's memory, of which parts are handed out one after the other."""

    def __init__(self, size: int = 1 << 12) -> None:
        self.content = memoryview(bytearray(size))
        self.free = 8

    def allocate(self, _old: int, _before: int, align: int, size: int) -> int:
        self.free = (self.free + align - 1) & -align
        address, self.free = self.free, self.free + size
        return address

    def context(self, encoding: str = "utf8") -> Context:
        return Context(Handles(), lambda: self.content, self.allocate, encoding)


@pytest.mark.parametrize(
    ("kind", "value", "size"),
    [
        (PRIMITIVES["s16"], -5, 2),
        (PRIMITIVES["char"], "\u2603", 4),
        (List(PRIMITIVES["u8"]), b"abc", 8),
        (List(PRIMITIVES["f64"]), [0.5, -1.0], 8),
        (RecordType([PRIMITIVES["u8"], PRIMITIVES["u64"], PRIMITIVES["bool"]], ["a", "b", "c"]), (1, 2, True), 24),
        (option_of(PRIMITIVES["u64"]), (5,), 16),
        (option_of(option_of(PRIMITIVES["u8"])), (None,), 3),
        (VariantType("enum", [f"c{n}" for n in range(257)], [None] * 257), "c256", 2),
        (Flags(["a", "b", "c"]), 0b101, 1),
    ],
)
def test_what_is_stored_is_loaded_again(kind: object, value: object, size: int) -> None:
    from preinit.engine.component.values import ValueType

    assert isinstance(kind, ValueType)
    memory = Memory()
    assert kind.size == size
    kind.store(memory.context(), value, 0)
    assert kind.load(memory.context(), 0) == value
    assert kind.lift(memory.context(), iter(kind.lower(memory.context(), value))) == value


def test_a_list_beyond_memory_ends_the_guest() -> None:
    cx = Memory().context()
    with pytest.raises(errors.GuestTrap, match="its memory has"):
        List(PRIMITIVES["u64"]).lift(cx, iter([8, 1 << 30]))
    with pytest.raises(errors.GuestTrap, match="not aligned"):
        List(PRIMITIVES["u64"]).lift(cx, iter([9, 1]))


def test_a_list_that_names_the_same_bytes_again_and_again_has_a_limit() -> None:
    memory = Memory(1 << 16)
    many = List(List(PRIMITIVES["u8"]))
    for at in range(0, 1 << 15, 8):
        memory.content[at : at + 8] = (0).to_bytes(4, "little") + (1 << 16).to_bytes(4, "little")
    assert MOST_BYTES == (1 << 12) * (1 << 16)
    with pytest.raises(errors.EngineLimit, match="more than 268,435,456 bytes in one call"):
        many.lift(memory.context(), iter([0, 1 << 12]))


def test_text_that_is_not_in_its_encoding_ends_the_guest() -> None:
    memory = Memory()
    memory.content[0:2] = b"\xff\xfe"
    with pytest.raises(errors.GuestTrap, match="UTF-8"):
        PRIMITIVES["string"].lift(memory.context(), iter([0, 2]))
    with pytest.raises(errors.GuestTrap, match="no Unicode scalar value"):
        PRIMITIVES["char"].lift(memory.context(), iter([0xD800]))


def test_a_case_that_there_is_not_ends_the_guest() -> None:
    with pytest.raises(errors.GuestTrap, match="case 2 of a option"):
        option_of(PRIMITIVES["u8"]).lift(Memory().context(), iter([2, 0]))


@pytest.mark.parametrize("address", [3, 1 << 20])
def test_a_realloc_that_lies_ends_the_guest(address: int) -> None:
    memory = Memory()
    cx = Context(Handles(), lambda: memory.content, lambda *_: address, "utf8")
    with pytest.raises(errors.GuestTrap, match="`realloc` returned"):
        List(PRIMITIVES["u32"]).lower(cx, [1, 2])


def test_types_within_types_have_a_limit() -> None:
    found: object = PRIMITIVES["u8"]
    with pytest.raises(errors.EngineLimit, match="more than 100 deep"):
        for _ in range(200):
            found = List(found)  # type: ignore[arg-type]


def test_types_that_double_at_each_step_have_a_limit() -> None:
    found = RecordType([PRIMITIVES["u64"], PRIMITIVES["u64"]], None)
    with pytest.raises(errors.EngineLimit, match="larger than any memory"):
        for _ in range(60):
            found = RecordType([found, found], None)
