"""What preinit does with modules that use what is new, old or not valid: it builds them, or says at once why not."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors, inspect
from preinit.binary import encoder as write
from preinit.binary.module import parse
from preinit.binary.types import FuncType
from tests.support import by_hand
from tests.support.modules import UNUSABLE, build_text


@pytest.mark.parametrize("form", [b"\0\x7f\x02\1f\0\0\1g\0\1", b"\0\x7e\0\0\x02\1f\1g"])
def test_compact_imports_are_understood(form: bytes) -> None:
    imports = b"\x01\x03env" + form
    module = (
        b"\0asm\1\0\0\0" + b"\x01\x08\x02\x60\0\0\x60\x01\x7f\0" + b"\x02" + bytes((len(imports),)) + imports
        + b"\x03\x02\x01\0" + b"\x07\x16\x01\x12preinit_initialize\0\x02" + b"\x0a\x04\x01\x02\0\x0b"
    )  # fmt: skip
    result = build(module, Options(cache=False, **UNUSABLE))
    (said,) = (found.message for found in result.report.warnings if found.code == "uncommon-proposal")
    assert "proposal compact imports" in said
    (section,) = (section for section in inspect(module).sections if section.name == "import")
    assert section.items == 2
    assert [(entry.module, entry.name) for entry in parse(result.wasm).imports] == [("env", "f"), ("env", "g")]


def test_legacy_exceptions_are_refused_with_the_way_out() -> None:
    # try (catch_all) end: the opcodes 0x06 and 0x19, which the text format no longer writes.
    body = bytes.fromhex("00 06 40 19 0b 0b")
    module = (
        b"\0asm\1\0\0\0" + bytes.fromhex("01 04 01 60 00 00  03 02 01 00")
        + bytes.fromhex("07 16 01 12") + b"preinit_initialize" + b"\0\0"
        + bytes((10, len(body) + 2, 1, len(body))) + body
    )  # fmt: skip
    with pytest.raises(errors.UnsupportedProposal) as caught:
        build(module, Options(cache=False, **UNUSABLE))
    assert "wasm-opt --translate-to-exnref -all --disable-compact-imports IN -o OUT" in str(caught.value)
    assert "byte offset" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "proposal"),
    [
        ("(memory 1 (pagesize 1))", "custom page sizes"),
        (r'(memory 1) (@custom "target_features" "\02+\0fwide-arithmetic+\0abulk-memory")', "wide arithmetic"),
        (r'(memory 1) (@custom "target_features" "\01-\0fwide-arithmetic")', None),
        (r'(memory 1) (@custom "target_features" "\7f+\0fwide-arithmetic")', None),
        ('(import "a" "" (func)) (memory 1)', None),
    ],
)
def test_what_most_engines_refuse_in_the_output_is_warned_of(text: str, proposal: str | None) -> None:
    warnings = build_text(f'(module {text} (func (export "preinit_initialize")) (func (export "g")))').report.warnings
    assert [warning.code for warning in warnings] == ["uncommon-proposal"] * bool(proposal)
    assert not proposal or f"proposal {proposal}," in warnings[0].message


@pytest.mark.parametrize("counts", [(1, 0), (0, 1), (0, 1000)])
def test_a_start_function_of_another_type_is_refused_before_the_engine_sees_it(counts: tuple[int, int]) -> None:
    """It is called without a look at its type: the engine would write past the array for its values."""
    function = FuncType((b"\x7e",) * counts[0], (b"\x7e",) * counts[1])
    body = b"\0" + b"\x42\0" * counts[1] + b"\x0b"
    sections = [
        write.section(1, write.vector([write.function_type(FuncType((), ())), write.function_type(function)])),
        write.section(3, b"\2\0\1"),
        write.section(7, write.vector([write.export("preinit_initialize", 0, 0)])),
        write.section(8, b"\1"),
        write.section(10, write.vector([write.code_entry(b"\0\x0b"), write.code_entry(body)])),
    ]
    with pytest.raises(errors.InvalidModule, match="start function"):
        build(write.assemble(sections), Options(cache=False))


STARTS = '(func (export "preinit_initialize"))'

#: Valid with proposals that no engine runs: what the message has to name.
OF_PROPOSALS = {
    f"(type $t (struct)) {STARTS} (global (ref null (exact $t)) (ref.null (exact $t)))": "custom descriptors",
    f"(type $t (struct)) {STARTS} (global (ref null $t) (ref.null (exact $t)))": "custom descriptors",
    f"(type $t (struct)) {STARTS} (table 1 (ref null (exact $t)))": "custom descriptors",
    f"(type $t (struct)) (type (func (param (ref (exact $t))))) {STARTS}": "custom descriptors",
    f"(type $t (struct)) (func (local (ref null (exact $t)))) {STARTS}": "custom descriptors",
    f'(type $f (func)) (import "a" "b" (func (exact (type $f)))) {STARTS}': "custom descriptors",
    f"(rec (type $a (descriptor $b) (struct)) (type $b (describes $a) (struct))) {STARTS}": "custom descriptors",
    f"(global (shared mut i32) (i32.const 0)) {STARTS}": "shared-everything",
    f'(import "a" "b" (global (shared mut i32))) {STARTS}': "shared-everything",
    f'(import "a" "b" (table shared 1 (ref null (shared func)))) {STARTS}': "shared-everything",
    f"(table shared 1 (ref null (shared func))) {STARTS}": "shared-everything",
    f"(type (shared (func))) {STARTS}": "shared-everything",
    f"(type $s (shared (struct))) {STARTS}": "shared-everything",
    f"(global (ref null (shared any)) (ref.null (shared any))) {STARTS}": "shared-everything",
    f"(func (local (ref null (shared any)))) {STARTS}": "shared-everything",
    f"(global $g (mut i32) (i32.const 0)) (func (drop (global.atomic.get seqcst $g))) {STARTS}": "shared-everything",
    f"(type $f (func)) (type (cont $f)) {STARTS}": "stack switching",
    f"(func try catch_all end) {STARTS}": "legacy exception",
}


@pytest.mark.parametrize("fields", OF_PROPOSALS)
def test_what_is_valid_with_a_proposal_that_is_not_run_is_called_unsupported_and_not_damaged(fields: str) -> None:
    with pytest.raises(errors.UnsupportedProposal) as caught:
        build_text(f"(module {fields})")
    assert OF_PROPOSALS[fields] in caught.value.what


@pytest.mark.parametrize(
    "fields",
    [
        f"(global i32 (nop) (i32.const 0)) {STARTS}",
        f"(global v128 (i8x16.splat (i32.const 0))) {STARTS}",
        f"(global (mut i32) (i32.clz (i32.const 0))) {STARTS}",
        f"(memory 1) (data (offset (memory.size)) \"x\") {STARTS}",
        f"(type $a (array i8)) (global i32 (array.len (ref.null $a))) {STARTS}",
        f"(memory 65537) {STARTS}",
        f"(memory 2 1) {STARTS}",
        f"(memory 70000 1) {STARTS}",
        f"(memory i64 0x1000000000001) {STARTS}",
        f"(memory 1 65537) {STARTS}",
        f"(table 2000000 1 funcref) {STARTS}",
        f'(import "a" "b" (memory 65537)) {STARTS}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("most", ["1MiB", "1024GiB"])
def test_what_no_proposal_makes_valid_is_called_invalid_and_no_limit_is_blamed(fields: str, most: str) -> None:
    with pytest.raises(errors.InvalidModule) as caught:
        build_text(f"(module {fields})", max_memory=most)
    assert "byte offset" in (caught.value.where or "")


@pytest.mark.parametrize("body", ["00 ff 0b", "00 fd ff 7f 0b", "00 fb ff 7f 0b"])
def test_an_instruction_that_nobody_knows_is_no_proposal(body: str) -> None:
    with pytest.raises(errors.InvalidModule) as caught:
        build(by_hand.module(body=bytes.fromhex(body)), cache=False, init_funcs=[by_hand.INIT], **UNUSABLE)
    assert "0x2d" in (caught.value.where or "")


def test_a_size_that_is_valid_and_more_than_the_limit_is_told_with_the_option_that_raises_it() -> None:
    with pytest.raises(errors.MemoryLimit) as caught:
        build_text(f"(module (memory i64 0x14000) {STARTS})")
    assert "5 GiB" in caught.value.what
    assert "max_memory" in (caught.value.hint or "")


def test_a_size_that_only_the_engine_refuses_is_not_said_to_need_another_limit() -> None:
    for fields in ("(memory 0xffffffff (pagesize 1))", "(memory i64 0x10000000000)"):
        with pytest.raises(errors.MemoryLimit) as caught:
            build_text(f"(module {fields} {STARTS})", max_memory=1 << 62)
        assert "max_memory" not in str(caught.value)


#: What engines bound and the specification does not: how to have less of it, where that is known.
BEYOND_ENGINES = {
    "data segments": ({5: by_hand.ONE_PAGE, 11: by_hand.repeated(b"\0\x41\0\x0b\1x", 100_001)}, "--limit-segments"),
    "counted data segments": (
        {5: by_hand.ONE_PAGE, 12: write.uleb(100_001), 11: by_hand.repeated(b"\0\x41\0\x0b\1x", 100_001)},
        "--limit-segments",
    ),
    "passive data segments": ({5: by_hand.ONE_PAGE, 11: by_hand.repeated(b"\1\1x", 100_001)}, "--limit-segments"),
    "element segments": ({4: b"\1\x70\0\1", 9: by_hand.repeated(b"\0\x41\0\x0b\1\0", 100_001)}, "limits"),
    "types": ({1: by_hand.repeated(by_hand.NOTHING, 1_000_001)}, "limits"),
    "parameters": ({1: write.vector([by_hand.NOTHING, b"\x60" + by_hand.repeated(b"\x7f", 1001) + b"\0"])}, "limits"),
    "locals": ({10: write.vector([write.code_entry(b"\1" + write.uleb(50_001) + b"\x7f\x0b")])}, "limits"),
    "fields": ({1: write.vector([by_hand.NOTHING, b"\x5f" + by_hand.repeated(b"\x7f\0", 10_001)])}, "limits"),
    "memories": ({5: by_hand.repeated(b"\0\0", 101)}, "limits"),
    "globals": ({6: by_hand.repeated(b"\x7f\0\x41\0\x0b", 1_000_001)}, "limits"),
}


@pytest.mark.parametrize("what", BEYOND_ENGINES)
def test_more_than_engines_take_is_told_as_that_with_the_way_out(what: str) -> None:
    parts, way_out = BEYOND_ENGINES[what]
    with pytest.raises(errors.EngineLimit) as caught:
        build(by_hand.module(parts), cache=False, init_funcs=[by_hand.INIT], **UNUSABLE)
    assert way_out in (caught.value.hint or "")
    assert "byte offset" in (caught.value.where or "")
