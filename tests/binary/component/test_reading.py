"""Reading components: what is in them, and what is said of those that are broken."""

from __future__ import annotations

import pytest

from preinit.binary import encoder as write
from preinit.binary.component import read_component
from preinit.binary.component.recipe import Component, CoreInstantiate, Lift, Nested
from preinit.binary.encoder import COMPONENT_PREAMBLE
from preinit.errors import EngineLimit, InputError, Malformed, NotWasm, Truncated, UnsupportedProposal
from tests.support.modules import wasm

SAMPLE = wasm("""(component
  (component $inner (core module $M (func (export "run")) (func (export "get") (result i32) (i32.const 3)))
    (core instance $m (instantiate $M))
    (func (export "run") (canon lift (core func $m "run")))
    (func (export "get") (result u32) (canon lift (core func $m "get"))))
  (instance $i (instantiate $inner))
  (core module $N (func (export "f"))) (core instance $n (instantiate $N)) (func (canon lift (core func $n "f")))
  (export "run" (func $i "run")) (export "get" (func $i "get")))""")


def component(*sections: tuple[int, bytes]) -> bytes:
    return COMPONENT_PREAMBLE + b"".join(b"".join(write.section(*section)) for section in sections)


def test_definitions_come_in_order_with_their_places() -> None:
    found = read_component(SAMPLE)
    kinds = [type(placed.definition) for placed in found.definitions]
    assert CoreInstantiate in kinds
    assert Lift in kinds
    assert Nested in kinds
    assert [export.name for export in found.exports] == ["run", "get"]
    for placed in found.definitions:
        assert 8 <= placed.start < placed.end <= len(SAMPLE)


@pytest.mark.parametrize(
    ("binary", "error", "said", "where"),
    [
        (b"", NotWasm, "magic", "0x0"),
        (component((7, b"\xff\xff\xff\x7f")), Malformed, "claims", "0xa"),
        (COMPONENT_PREAMBLE + b"\x07\xff\xff\xff\xff\x0f", Truncated, "claims 4294967295 bytes", "0x8"),
        (component((9, b"\0\0")), UnsupportedProposal, "a start function", "0x8"),
        (component((7, b"\x01\x20\x00")), UnsupportedProposal, "a type of form 0x20", "0xb"),
        (component((8, b"\x01\x77\x00")), UnsupportedProposal, "a canonical function 0x77", "0xb"),
        (component((6, b"\x01\x01\x09\x00\x01a")), UnsupportedProposal, "an alias of kind 0x9", "0xb"),
        (component((11, b"\x01\x00\x01\xff\x01\x00\x00")), Malformed, "not UTF-8", "0xd"),
        (component((7, b"\x01\x7d\x00")), Malformed, "1 bytes are left over", "0xc"),
    ],
)
def test_what_is_broken_is_said_with_its_offset(binary: bytes, error: type[InputError], said: str, where: str) -> None:
    with pytest.raises(error) as caught:
        read_component(binary)
    assert said in caught.value.what
    assert caught.value.where == f"byte offset {where}"


def test_components_within_components_have_a_limit() -> None:
    binary = COMPONENT_PREAMBLE
    for _ in range(150):
        binary = component((4, binary))
    with pytest.raises(EngineLimit, match="more than 100 deep"):
        read_component(binary)


def test_types_within_types_have_a_limit() -> None:
    inner = b"\x7d"
    for _ in range(150):
        inner = b"\x42\x01\x01" + inner
    with pytest.raises(EngineLimit, match="more than 100 deep"):
        read_component(component((7, b"\x01" + inner)))


def test_custom_sections_are_read_past() -> None:
    found = read_component(wasm("(component $named (core module $inner))"))
    assert [section.title for section in found.sections if section.id == 0] == ["component-name"]


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        ("(type $x u8)", ""),
        ("(core func (canon task.cancel))", "task.cancel"),
        ("(core func (canon subtask.drop))", "subtask.drop"),
        ("(core func (canon waitable-set.new))", "waitable-set.new"),
        ("(core func (canon backpressure.inc))", "backpressure.inc"),
    ],
)
def test_a_section_of_definitions_of_one_byte_is_read(definition: str, name: str) -> None:
    for times in (1, 3):
        text = f"(component {definition.replace(' $x', '') * times})"
        found = read_component(wasm(text)).definitions
        assert [getattr(placed.definition, "name", "") for placed in found] == [name] * times


def shown(component: Component) -> list[object]:
    """All that was read, with places; of components within, too."""
    found: list[object] = [component.sections]
    for one in component.definitions:
        nested = one.definition
        found.append((shown(nested.component), *one[1:]) if isinstance(nested, Nested) else one)
    return found


@pytest.mark.parametrize("other", ["(component)", '(component (import "a" (func)) (export "b" (func 0)))', None])
def test_what_is_like_another_component_reads_the_same(other: str | None) -> None:
    """Sections of the other one, at another place here, are not read again."""
    like = read_component(SAMPLE if other is None else wasm(other))
    binary = component((0, b"\x01a" + bytes(300)), (4, SAMPLE)) + SAMPLE[len(COMPONENT_PREAMBLE) :]
    assert shown(read_component(binary, like)) == shown(read_component(binary))
