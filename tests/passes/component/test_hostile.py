"""Hostile components: a clear error for each, nothing else, and soon."""

from __future__ import annotations

import random

import pytest

from preinit import Options, build, errors
from preinit.binary import encoder as write
from preinit.binary.encoder import COMPONENT_PREAMBLE, PREAMBLE
from preinit.passes.component import shell
from tests.support.modules import wasm

SAMPLE = wasm("""(component
  (import "wasi:random/random@0.2.0" (instance $r (export "get-random-u64" (func (result u64)))))
  (core func $low (canon lower (func $r "get-random-u64")))
  (component $inner (core module $M (memory (export "memory") 1)
      (func (export "run") (i32.store (i32.const 4) (i32.const 9)))
      (func (export "get") (result i32) (i32.load (i32.const 4))))
    (core instance $m (instantiate $M))
    (type $t (record (field "a" u8) (field "b" (list string)))) (export $e "t" (type $t))
    (func (export "run") (canon lift (core func $m "run")))
    (func (export "get") (result u32) (canon lift (core func $m "get"))))
  (instance $i (instantiate $inner))
  (core module $N (import "w" "r" (func (result i64))) (table (export "t") 2 funcref) (elem (i32.const 0) func 0))
  (core instance $n (instantiate $N (with "w" (instance (export "r" (func $low))))))
  (export "run" (func $i "run")) (export "get" (func $i "get")))""")


def outcome(binary: bytes) -> str:
    """How a build ends: the code of its error, or nothing."""
    try:
        build(binary, Options(cache=False, init_funcs=("run",), timeout=60))
    except errors.PreinitError as problem:
        assert "bug" not in problem.what
        return problem.code
    return ""


def test_the_sample_builds() -> None:
    assert outcome(SAMPLE) == ""


def test_a_component_that_is_cut_off_anywhere_is_refused() -> None:
    for end in range(8, len(SAMPLE) - 1, 7):
        assert outcome(SAMPLE[:end]) in {
            "truncated",
            "malformed",
            "invalid-module",
            "unsupported-proposal",
            "unknown-export",
        }


def test_a_component_with_one_byte_changed_builds_or_is_refused() -> None:
    chosen = random.Random(1)
    for _ in range(120):
        changed = bytearray(SAMPLE)
        changed[chosen.randrange(8, len(changed))] = chosen.choice([0, 1, 2, 0x0B, 0x7F, 0x80, 0xFF])
        outcome(bytes(changed))


def doubling(levels: int) -> str:
    """Components each of which makes two instances of the one before."""
    text = "(component $c0 (core module $M (memory 1)) (core instance (instantiate $M)))"
    for level in range(1, levels):
        text = f"(component $c{level} {text} (instance (instantiate $c{level - 1})) (instance (instantiate $c{level - 1})))"
    return f"(component {text} (instance (instantiate $c{levels - 1})))"


def test_instances_that_double_at_each_level_have_a_limit() -> None:
    with pytest.raises(errors.PreinitError) as caught:
        build(wasm(doubling(20)), Options(cache=False, init_funcs=()))
    assert caught.value.code in ("engine-limit", "invalid-module")


def test_types_that_double_at_each_step_have_a_limit() -> None:
    types = "(type $t0 (tuple u64 u64))" + "".join(f"(type $t{n} (tuple $t{n - 1} $t{n - 1}))" for n in range(1, 40))
    text = f"""(component {types} (core module $M (func (export "run")) (func (export "f") (param i32)) (memory (export "m") 1)
        (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
      (core instance $m (instantiate $M))
      (func (export "run") (canon lift (core func $m "run")))
      (func $f (param "t" $t39) (canon lift (core func $m "f") (memory (core memory $m "m")) (realloc (core func $m "r")))))"""
    assert outcome(wasm(text)) in {"engine-limit", "invalid-module"}


@pytest.mark.parametrize(
    ("section", "payload"),
    [
        (7, write.uleb(100_000) + b"\x7d" * 100_000),
        (6, b"\x01\x01\x02" + write.uleb(1 << 31) + b"\0"),
        (2, b"\x01\x00" + write.uleb(1 << 31) + b"\0"),
        (5, b"\x01\x00" + write.uleb(5) + b"\0"),
        (11, b"\x01\x00\x01a\x01" + write.uleb(7) + b"\0"),
        (8, b"\x01\x00\x00" + write.uleb(3) + b"\0" + write.uleb(4)),
        (7, b"\x01\x40\x00\x01\x00" * 1),
    ],
)
def test_counts_and_indices_that_lead_nowhere_are_refused(section: int, payload: bytes) -> None:
    binary = COMPONENT_PREAMBLE + b"".join(write.section(section, payload))
    assert outcome(binary) in {"engine-limit", "invalid-module", "malformed", "unknown-export", "unsupported-proposal"}


@pytest.mark.parametrize(("claimed", "code"), [(3_000_000, "malformed"), (1_500_000, "engine-limit")])
def test_a_core_module_that_claims_many_functions_is_refused_before_any_is_made(
    claimed: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = shell.write.vector
    monkeypatch.setattr(shell.write, "vector", lambda items: made.append(len(items)) or real(items))
    bodies = write.section(10, write.uleb(claimed) + bytes(3_000_000))
    inner = b"".join([PREAMBLE, *bodies])
    binary = COMPONENT_PREAMBLE + b"".join(write.section(1, inner))
    assert outcome(binary) == code
    assert max(made, default=0) < 1000
    with pytest.raises(errors.PreinitError) as caught:
        build(binary, Options(cache=False))
    number = binary.index(write.uleb(claimed), len(binary) - len(bodies[1]))
    assert caught.value.where == f"core module 0 of the component, byte offset {number:#x}"


def lifting(result: str, body: str, extra: str = "") -> bytes:
    """A component whose `run` returns what it says of a list or string."""
    return wasm(f"""(component
      (core module $M (memory (export "m") 1) {extra} (func (export "run") (result i32) {body}))
      (core instance $m (instantiate $M))
      (func (export "run") (result {result}) (canon lift (core func $m "run") (memory (core memory $m "m")))))""")


@pytest.mark.parametrize(
    ("result", "body", "said"),
    [
        ("string", "(i32.store (i32.const 4) (i32.const 0x7fffffff)) (i32.const 0)", "its memory has 65,536 bytes"),
        ("(list u64)", "(i32.store (i32.const 4) (i32.const -1)) (i32.const 0)", "its memory has 65,536 bytes"),
        ("string", "(i32.const 65532)", "its memory has"),
        ("string", "(i32.const 2)", "not aligned"),
        ("string", "(i32.const -4)", "its memory has"),
        ("(option char)", "(i32.store8 (i32.const 0) (i32.const 7)) (i32.const 0)", "case 7"),
    ],
)
def test_what_a_guest_returns_is_checked(result: str, body: str, said: str) -> None:
    with pytest.raises(errors.GuestTrap, match=said):
        build(lifting(result, body), Options(cache=False, init_funcs=("run",)))


def test_a_guest_that_never_ends_is_stopped() -> None:
    text = lifting("u32", "(loop (br 0)) (unreachable)")
    with pytest.raises(errors.TimeLimit):
        build(text, Options(cache=False, init_funcs=("run",), timeout=1))


def test_memories_that_are_larger_together_than_allowed_are_refused() -> None:
    text = wasm("""(component (core module $M (memory 30000)) (core instance (instantiate $M))
      (core module $N (func (export "run"))) (core instance $n (instantiate $N))
      (func (export "run") (canon lift (core func $n "run"))))""")
    with pytest.raises(errors.MemoryLimit):
        build(text, Options(cache=False, init_funcs=("run",), max_memory=1 << 20))


def test_many_instances_of_a_large_memory_are_refused() -> None:
    instances = "(core instance (instantiate $M))" * 40
    text = wasm(f"""(component (core module $M (memory 1000)) {instances}
      (core module $N (func (export "run"))) (core instance $n (instantiate $N))
      (func (export "run") (canon lift (core func $n "run"))))""")
    with pytest.raises(errors.MemoryLimit, match="together"):
        build(text, Options(cache=False, init_funcs=("run",), max_memory=1 << 30))


@pytest.mark.parametrize(
    "inner",
    [
        # A component that makes an instance of the one that it stands in: which is not there yet.
        [(6, b"\x01\x04\x02\x01\x00"), (5, b"\x01\x00\x00\x00")],
        # Further out than there is anything.
        [(6, b"\x01\x04\x02\x07\x00")],
        [(6, b"\x01\x04\x02\xff\xff\xff\xff\x0f\x00")],
        # A component of its own index space that comes later.
        [(5, b"\x01\x00\x00\x00"), (4, COMPONENT_PREAMBLE)],
    ],
)
def test_aliases_and_instances_that_go_round_in_circles_are_refused(inner: list[tuple[int, bytes]]) -> None:
    nested = COMPONENT_PREAMBLE + b"".join(b"".join(write.section(*part)) for part in inner)
    instance = b"".join(write.section(5, b"\x01\x00\x00\x00"))
    binary = COMPONENT_PREAMBLE + b"".join(write.section(4, nested)) + instance
    with pytest.raises(errors.InvalidModule):
        build(binary, Options(cache=False, init_funcs=()))


def test_modules_that_fill_large_tables_of_others_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.passes.component.tables._MOST_LOOKED", 10_000)
    text = """(component (core module $A (table (export "t") 1000 funcref)) (core instance $a (instantiate $A))
      (core module $B (import "" "t" (table 1000 funcref)) (func $f) (elem (i32.const 0) func $f)) {instances})"""
    for number in (5, 6):
        instances = '(core instance (instantiate $B (with "" (instance $a))))' * number
        if number == 5:
            assert build(wasm(text.format(instances=instances)), Options(cache=False, init_funcs=())).wasm
            continue
        with pytest.raises(errors.EngineLimit, match="more entries than preinit follows"):
            build(wasm(text.format(instances=instances)), Options(cache=False, init_funcs=()))
