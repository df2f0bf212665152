"""What preinit does with modules that use what is new, old or not valid: it builds them, or says at once why not."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors, inspect
from preinit.binary import encoder as write
from preinit.binary.module import parse
from preinit.binary.types import FuncType
from tests.support.modules import build_text


@pytest.mark.parametrize("form", [b"\0\x7f\x02\1f\0\0\1g\0\1", b"\0\x7e\0\0\x02\1f\1g"])
def test_compact_imports_are_understood(form: bytes) -> None:
    imports = b"\x01\x03env" + form
    module = (
        b"\0asm\1\0\0\0" + b"\x01\x08\x02\x60\0\0\x60\x01\x7f\0" + b"\x02" + bytes((len(imports),)) + imports
        + b"\x03\x02\x01\0" + b"\x07\x16\x01\x12preinit_initialize\0\x02" + b"\x0a\x04\x01\x02\0\x0b"
    )  # fmt: skip
    result = build(module, Options(cache=False))
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
        build(module, Options(cache=False))
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
