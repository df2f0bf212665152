"""Variables that DWARF gives an address: their names in an audit, and damage of any kind."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit import build
from preinit.binary import encoder as write
from preinit.binary.module import Module, parse
from preinit.errors import TimeLimit
from preinit.options import Options
from preinit.symbols.dwarf import Variable, variables
from tests.support.amounts import amount
from tests.support.places import FIXTURES

#: `fixtures/dwarf`: a file in C with DWARF 5, one in C++ with DWARF 4, linked into one module.
FIXTURE = (FIXTURES / "dwarf/dwarf.wasm").read_bytes()


def module(**sections: bytes) -> Module:
    """A module with nothing but debug sections."""
    return parse(write.assemble([write.custom_section(f".debug_{name}", found) for name, found in sections.items()]))


def contents() -> dict[str, bytes]:
    """The debug sections of the fixture."""
    fixture = parse(FIXTURE)
    return {
        section.title.removeprefix(".debug_"): fixture.data[section.content : section.end]
        for section in fixture.sections
        if section.title.startswith(".debug_")
    }


def test_variables_have_address_size_and_the_names_that_they_stand_in() -> None:
    found = variables(parse(FIXTURE))
    assert [(v.name, v.size) for v in found] == [
        ("counter", 4),
        ("maps", 92),
        ("seed", 8),
        ("take_ticket::ticket", 4),
        ("app::Cache::secret", 8),
        ("app::(anonymous)::weights", 32),
        ("app::pool", 6),
    ]
    assert all(before.address + before.size <= after.address for before, after in pairwise(found))
    assert found[0].address == 0x100000  # where the linker put what is not zero


def test_an_audit_names_variables_by_dwarf_where_no_other_name_says_where_they_are() -> None:
    fixture = parse(FIXTURE)
    assert not any(export.name in ("maps", "seed") for export in fixture.exports)
    assert set(fixture.names.data_segments.values()) == {".data"}
    found = build(FIXTURE, Options(cache=False, audit=True)).report.audit
    assert found is not None
    assert [(entry.length, entry.name) for entry in found if entry.kind == "memory"] == [
        (16, "maps+0x2e"),  # the second map's keys
        (70, "seed, take_ticket::ticket, app::Cache::secret, ..."),
    ]


def test_without_dwarf_the_same_places_have_no_name() -> None:
    fixture = parse(FIXTURE)
    kept = [fixture.data[s.header : s.end] for s in fixture.sections if not s.title.startswith(".debug_")]
    found = build(write.PREAMBLE + b"".join(kept), Options(cache=False, audit=True)).report.audit
    assert found is not None
    assert [entry.name for entry in found if entry.kind == "memory"] == [None, None]


def test_a_module_without_dwarf_has_no_variables() -> None:
    assert variables(module()) == []
    assert variables(module(info=b"", abbrev=b"")) == []


# -- DWARF by hand -----------------------------------------------------------------------------------------------------

VARIABLE = b"\x02\x34\0\x03\x08\x02\x18\0\0"  # 2: a variable with a name and a location
UNIT = b"\x01\x11\x01\0\0"  # 1: a unit, with children


def of_entries(entries: bytes, abbreviations: bytes = b"", version: int = 5, wide: bool = False) -> Module:
    """One unit with those entries; `wide`: with offsets of 8 bytes."""
    offset = bytes(8 if wide else 4)
    head = version.to_bytes(2, "little") + (b"\x01\x04" + offset if version == 5 else offset + b"\x04")
    body = head + b"\x01" + entries + b"\0"
    length = (b"\xff" * 4 + len(body).to_bytes(8, "little")) if wide else len(body).to_bytes(4, "little")
    return module(info=length + body, abbrev=UNIT + VARIABLE + abbreviations + b"\0")


def at_address(address: int, more: bytes = b"") -> bytes:
    return bytes((5 + len(more), 3)) + address.to_bytes(4, "little") + more


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("wide", [False, True])
def test_both_versions_and_widths_are_read(version: int, wide: bool) -> None:
    found = variables(of_entries(b"\x02table\0" + at_address(4096), version=version, wide=wide))
    assert found == [Variable(4096, 0, "table")]


def test_an_offset_from_an_address_is_added() -> None:
    assert variables(of_entries(b"\x02x\0" + at_address(4096, b"\x23\x80\x01"))) == [Variable(4096 + 128, 0, "x")]


@pytest.mark.parametrize("address", [0, 0xFFFFFFFF, 0xFFFFFFFE], ids=hex)
def test_what_a_linker_dropped_has_no_address(address: int) -> None:
    assert variables(of_entries(b"\x02gone\0" + at_address(address))) == []


@pytest.mark.parametrize(
    "expression", [b"\0", b"\x03\xed\0\x01", b"\x02\x91\x08", at_address(8, b"\x9f")], ids=bytes.hex
)
def test_what_is_no_fixed_address_is_left_out_and_what_follows_is_read(expression: bytes) -> None:
    found = variables(of_entries(b"\x02local\0" + expression + b"\x02fixed\0" + at_address(64)))
    assert found == [Variable(64, 0, "fixed")]


def test_a_unit_that_can_not_be_read_does_not_hide_the_next_one() -> None:
    sound = of_entries(b"\x02x\0" + at_address(64))
    info, abbrev = (sound.custom(name) for name in (".debug_info", ".debug_abbrev"))
    assert info
    assert abbrev
    good = sound.data[info.content : info.end]
    damaged = good[:12] + b"\x7f" * (len(good) - 12)
    assert len(variables(module(info=damaged + good, abbrev=sound.data[abbrev.content : abbrev.end]))) == 1


def test_a_type_that_is_made_of_itself_has_no_size() -> None:
    typed = b"\x03\x34\0\x03\x08\x49\x13\x02\x18\0\0" + b"\x04\x16\0\x49\x13\0\0"  # a variable with a type, a typedef
    start = 12 + 1  # behind header and the unit's own entry
    entries = b"\x04" + start.to_bytes(4, "little") + b"\x03x\0" + start.to_bytes(4, "little") + at_address(64)
    assert variables(of_entries(entries, typed)) == [Variable(64, 0, "x")]


# -- what means harm ---------------------------------------------------------------------------------------------------


def test_entries_within_entries_without_end_are_given_up() -> None:
    nested = b"\x05\x0b\x01\0\0"  # a block with children
    assert variables(of_entries(b"\x02x\0" + at_address(64) + b"\x05" * 1_000_000, nested)) == [Variable(64, 0, "x")]


def test_tables_that_overlap_are_not_read_again_and_again() -> None:
    """Each unit names another part of one long table: read from each of them on, that takes hours."""
    table = b"\x02\x34\0\0\0" * 40_000 + b"\0"
    units = [
        (10).to_bytes(4, "little") + b"\x05\0\x01\x04" + (5 * number).to_bytes(4, "little") + b"\x02\0"
        for number in range(40_000)
    ]
    assert variables(module(info=b"".join(units), abbrev=table)) == []


def test_patterns_for_more_kinds_of_entries_than_compilers_write_are_not_made() -> None:
    kinds = [
        write.uleb(n + 3) + b"\x34\0" + b"\x01\x0f" * (n % 40) + write.uleb(n + 9) + b"\x0f\0\0" for n in range(30_000)
    ]
    assert variables(of_entries(b"\x02x\0" + at_address(64), b"".join(kinds))) == []


def test_small_units_with_one_large_table_cost_no_more_than_their_entries() -> None:
    """The table is not gone through for each of them: that takes hours."""
    table = b"".join(write.uleb(code) + b"\x34\0\0\0" for code in range(1, 20_000)) + b"\0"
    unit = (9).to_bytes(4, "little") + b"\x05\0\x01\x04" + bytes(4) + b"\x01"
    assert variables(module(info=unit * 30_000, abbrev=table)) == []


@pytest.mark.parametrize("in_origin", [False, True])
def test_attributes_that_take_no_byte_are_few(in_origin: bool) -> None:
    """Entries of 10 bytes with a thousand values each: looking at them takes minutes."""
    flags = b"\x3f\x19" * 990
    kinds = b"\x03\x34\0\x03\x08\x02\x18" + (b"" if in_origin else flags) + b"\x31\x13\0\0"
    kinds += b"\x04\x34\0\x03\x08" + flags + b"\0\0"
    place = at_address(64) + (13).to_bytes(4, "little")
    assert variables(of_entries(b"\x04o\0" + (b"\x03x\0" + place) * 100_000, kinds)) == []


def test_a_table_with_more_codes_than_compilers_write_is_not_kept() -> None:
    codes = b"".join(write.uleb(code + 3) + b"\x34\0\0\0" for code in range(30_000))
    assert variables(of_entries(b"\x02x\0" + at_address(64), codes)) == []


def test_the_time_limit_holds_while_variables_are_described() -> None:
    looks = 0

    def over() -> None:
        nonlocal looks
        looks += 1
        if looks == 4:  # unit, table, and the walk's one look
            raise TimeLimit("over")

    with pytest.raises(TimeLimit):
        variables(of_entries((b"\x02x\0" + at_address(64)) * 5_000), over)


def test_the_time_limit_holds_while_dwarf_dwarf_is_read() -> None:
    def over() -> None:
        raise TimeLimit("over")

    with pytest.raises(TimeLimit):
        variables(parse(FIXTURE), over)


@settings(max_examples=amount(300, 100))
@given(st.data())
def test_damage_gives_fewer_or_other_variables_and_never_an_error(data: st.DataObject) -> None:
    damaged = contents()
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(["info", "abbrev", "str", "str_offsets", "addr"]))
        content = bytearray(damaged[name])
        place = data.draw(st.integers(0, len(content) - 1)) if content else 0
        kind = data.draw(st.sampled_from(["byte", "cut", "insert"]))
        if kind == "cut":
            del content[place:]
        elif kind == "insert":
            content[place:place] = data.draw(st.binary(max_size=12))
        elif content:
            content[place] = data.draw(st.integers(0, 255))
        damaged[name] = bytes(content)
    found = variables(module(**damaged))
    assert found == sorted(set(found))
    assert all(variable.name and variable.size >= 0 and variable.address > 0 for variable in found)


@settings(max_examples=amount(200, 60))
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read(info: bytes, abbreviations: bytes) -> None:
    sized = len(info).to_bytes(4, "little") + b"\x05\0\x01\x04\0\0\0\0" + info
    assert isinstance(variables(module(info=sized, abbrev=abbreviations)), list)
